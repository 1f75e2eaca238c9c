//! Lets a task wait in RabbitMQ before it goes to its exchange.
//!
//! The task goes into a queue whose TTL is the delay and whose dead letters go to `task.exchange` by the task's own key: from
//! there on it is a task as any other. A delayed task is as safe as one in any other queue, and needs neither a plugin nor
//! somebody who runs at the right time. Delays are rounded up to two digits, so that a routing key has at most ninety queues
//! for the delays between one second and ten, as many between ten and a hundred, and so on; a queue that was not used for a
//! day after its last task has left it goes.

use std::time::Duration;

use tokio::time::Instant;

use super::{AGAIN, Publication, PublishError};
use crate::{
    client::{Client, StartError, deadline_after},
    names::DEFAULT_EXCHANGE,
    topology::{self, TopologyError},
};

/// The longest delay: the queue in which a task waits has to live for a day longer, and RabbitMQ keeps that time in 32 bits
/// of milliseconds.
pub const MAX_DELAY: Duration = Duration::from_secs(48 * 24 * 60 * 60);

/// The same publication by way of a queue in which it waits; declares that queue, which also keeps it for longer.
pub(super) async fn by_way_of_a_queue(
    client: &Client,
    publication: Publication,
    delay: Duration,
) -> Result<Publication, PublishError> {
    if publication.properties.expiration().is_some() {
        return Err(PublishError::Delay(
            "a task that waits can't expire meanwhile: leave out one of the two".to_owned(),
        ));
    }
    let delay_ms = rounded(delay).ok_or_else(|| {
        PublishError::Delay(format!("it is longer than {} days", MAX_DELAY.as_secs() / (24 * 60 * 60)))
    })?;
    let queue = format!("delay.{delay_ms}.{}", publication.routing_key);
    super::short_name("the queue in which the task waits", &queue)?;
    let settings = &client.settings().topology;
    let plan = [topology::delay(&queue, delay_ms, &publication.exchange, &publication.routing_key, settings)];
    let deadline = deadline_after(client.settings().publisher.patience);
    while let Err(error) = client.declare_once(&plan).await.map_err(unpublished) {
        if !matches!(error, PublishError::Disconnected(_)) || Instant::now() + AGAIN >= deadline {
            return Err(error);
        }
        tokio::time::sleep(AGAIN).await;
    }
    Ok(Publication { exchange: DEFAULT_EXCHANGE.to_owned(), routing_key: queue, ..publication })
}

fn unpublished(error: StartError) -> PublishError {
    match error {
        StartError::Topology(error) if !matches!(error, TopologyError::Connection(_)) => {
            PublishError::Refused(error.to_string())
        }
        error => PublishError::Disconnected(error.to_string()),
    }
}

/// Whole milliseconds, rounded up to two digits: 61 s are 61 s, 125 s are 130 s. `None` if it is too long.
fn rounded(delay: Duration) -> Option<u64> {
    let max = u64::try_from(MAX_DELAY.as_millis()).ok()?;
    let ms = u64::try_from(delay.as_nanos().div_ceil(1_000_000)).ok().filter(|ms| *ms <= max)?;
    let mut unit = 1;
    while ms / unit >= 100 {
        unit *= 10;
    }
    Some((ms.div_ceil(unit) * unit).min(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_rounded_up_to_two_digits() {
        for (delay_ms, expected) in [
            (0, 0),
            (7, 7),
            (99, 99),
            (101, 110),
            (1_500, 1_500),
            (61_000, 61_000),
            (61_001, 62_000),
            (125_000, 130_000),
        ] {
            assert_eq!(rounded(Duration::from_millis(delay_ms)), Some(expected), "{delay_ms}");
        }
        assert_eq!(rounded(Duration::from_micros(1)), Some(1));
        assert_eq!(rounded(MAX_DELAY).map(u128::from), Some(MAX_DELAY.as_millis()));
        assert_eq!(rounded(MAX_DELAY + Duration::from_millis(1)), None);
        assert_eq!(rounded(Duration::MAX), None);
    }
}
