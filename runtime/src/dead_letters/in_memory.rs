//! A walk through the dead letters of the broker in memory.

use chrono::Utc;
use event_driven::message::revived_properties;

use super::{Action, Bounds, Content, DeadLettersError, Filter, Letter, Walked, queue_of_work};
use crate::broker::{self, InProcess, Queue};

/// After so many letters others have a turn: each is parsed and hashed.
const AT_ONCE: usize = 32;

/// As [`DeadLetters::walk`](super::DeadLetters::walk), through one queue.
pub(super) async fn walk(
    broker: &InProcess,
    queue: &str,
    filter: &Filter,
    bounds: Bounds,
    action: Action,
) -> Result<Walked, DeadLettersError> {
    queue_of_work(queue)?;
    let missing = || DeadLettersError::NoQueue(queue.to_owned());
    let found = [Queue::Tasks, Queue::EventStore].into_iter().find(|found| found.dead_name() == queue);
    let found = found.ok_or_else(missing)?;
    let (letters, now, mut walked) = (broker.dead_letters(found), Utc::now(), Walked::default());
    for (seen, dead) in letters.iter().enumerate() {
        if bounds.are_reached(&walked) {
            walked.not_looked_at = (letters.len() - seen) as u64;
            break;
        }
        if seen % AT_ONCE == AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        let letter = Letter::read(queue, &dead.properties, &dead.body);
        if filter.takes(&letter, now) {
            act(broker, found, dead, letter, action, &mut walked);
        }
    }
    Ok(walked)
}

fn act(
    broker: &InProcess,
    queue: Queue,
    dead: &broker::DeadLetter,
    letter: Letter,
    action: Action,
    walked: &mut Walked,
) {
    let is_done = match action {
        Action::Look => {
            walked.last = Some(Content { properties: dead.properties.clone(), body: dead.body.to_vec() });
            true
        }
        Action::Retry => match broker.revive(queue, dead.number, revived_properties(&dead.properties)) {
            Ok(is_done) => is_done,
            Err(reason) => return walked.stays(letter, reason.to_string()),
        },
        Action::Discard => broker.discard(queue, dead.number),
    };
    // One that was gone by then was meant by somebody else, too.
    if is_done {
        walked.letters.push(letter);
    }
}
