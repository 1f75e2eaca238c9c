//! Who waits for the answer to a row: for one alone, or for one of those that were recorded together.

use tokio::sync::{mpsc, oneshot};

use super::RecordError;

/// Whether a row is committed, or why not.
type Answer = Result<(), RecordError>;

/// The most answers that are given at once.
const AT_ONCE: usize = 64;

/// Takes the answer for one row. Dropped without one: the writer panicked or was cut off, and the row is not known to be committed.
#[derive(Debug)]
pub(super) enum Waiter {
    /// For a row alone.
    Alone(oneshot::Sender<Answer>),
    /// For that of this place, of those that were recorded together.
    OneOf(usize, mpsc::UnboundedSender<(usize, Answer)>),
}

impl Waiter {
    pub(super) fn answer(self, answer: Answer) {
        // Who gave up waiting needs none.
        match self {
            Self::Alone(waiter) => drop(waiter.send(answer)),
            Self::OneOf(place, waiter) => drop(waiter.send((place, answer))),
        }
    }
}

/// The answers to rows that were recorded together, as they come: those of one statement at once.
#[derive(Debug)]
pub struct Answers(pub(super) mpsc::UnboundedReceiver<(usize, Answer)>);

impl Answers {
    /// Waits for the next answers: each with the place of its row among the others. None when no more will come; a row that has none
    /// then is not known to be committed ([`RecordError::Stopped`]). Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Vec<(usize, Answer)> {
        let mut answers = Vec::new();
        self.0.recv_many(&mut answers, AT_ONCE).await;
        answers
    }
}
