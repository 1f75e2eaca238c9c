//! Publishes rows that were claimed: different keys at once, the rows of one key one after the other.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::row::Row;
use crate::{
    client::Client,
    publisher::{Publication, PublishError},
};

/// How to publish a batch.
pub(super) struct Batch<'r> {
    pub(super) client: &'r Client,
    /// How long one row may take; and how long after the beginning of the batch a key's next row is still begun.
    pub(super) timeout: Duration,
    pub(super) stop: &'r CancellationToken,
}

/// What became of the rows of a batch. Those that are in neither list wait as they were.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) confirmed: Vec<i64>,
    /// The row itself is what can't be published.
    pub(super) refused: Vec<Refused>,
    /// The broker is away.
    pub(super) broken: Option<PublishError>,
}

/// A row that was not published.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) id: i64,
    /// How often it was refused before.
    pub(super) attempts: i32,
    pub(super) error: PublishError,
}

impl Batch<'_> {
    /// Publishes chains, each the next rows of one key in their order. A chain ends at the first row that is not confirmed.
    pub(super) async fn publish(&self, chains: Vec<Vec<Row>>) -> Outcome {
        let alone = chains.iter().map(Vec::len).sum::<usize>() == 1;
        let begun = Instant::now();
        let (mut failed_before, fresh): (Vec<_>, Vec<_>) =
            chains.into_iter().partition(|chain| chain.first().is_some_and(|row| row.attempts > 0));
        let mut ended = join_all(fresh.into_iter().map(|chain| self.publish_chain(chain, begun))).await;
        // One by one: one that is not confirmed in time takes those with it that go out at the same moment. Those that may
        // have failed for nothing else come first.
        failed_before.sort_by_key(|chain| chain.first().map(|row| row.attempts));
        for chain in failed_before {
            ended.push(self.publish_chain(chain, begun).await);
        }
        let mut outcome = Outcome::default();
        for (confirmed, failed) in ended {
            outcome.confirmed.extend(confirmed);
            let Some(failed) = failed else { continue };
            let is_of_the_broker = is_of_the_broker(&failed.error);
            if is_of_the_broker {
                outcome.broken = Some(failed.error.clone());
            }
            // A message may be what kills the connection. Alone it is seen to be the one.
            if alone || !is_of_the_broker {
                outcome.refused.push(failed);
            }
        }
        outcome
    }

    async fn publish_chain(&self, chain: Vec<Row>, begun: Instant) -> (Vec<i64>, Option<Refused>) {
        let mut confirmed = Vec::with_capacity(chain.len());
        for Row { id, attempts, message, .. } in chain {
            if self.stop.is_cancelled() || begun.elapsed() >= self.timeout {
                break;
            }
            match self.publish_message(message).await {
                Ok(()) => confirmed.push(id),
                Err(error) => return (confirmed, Some(Refused { id, attempts, error })),
            }
        }
        (confirmed, None)
    }

    /// On the connection in use, without waiting for the next one: rows are locked meanwhile.
    async fn publish_message(&self, message: Result<Publication, PublishError>) -> Result<(), PublishError> {
        let mut publication = message?;
        publication.mandatory = self.client.settings().publisher.mandatory_events;
        timeout(self.timeout, self.client.publish(publication))
            .await
            .unwrap_or(Err(PublishError::TimedOut(self.timeout)))
    }
}

/// Whether any other message would have failed, too. Not so where an answer fails to come: a queue that does not confirm is
/// no matter of other queues, and a broker that is gone is noticed by its heartbeats.
fn is_of_the_broker(error: &PublishError) -> bool {
    match error {
        PublishError::Disconnected(_) | PublishError::NoReply { .. } => true,
        PublishError::TimedOut(_)
        | PublishError::Nacked { .. }
        | PublishError::Unroutable { .. }
        | PublishError::Refused(_)
        | PublishError::NameTooLong { .. }
        | PublishError::Headers(_)
        | PublishError::TaskName(_)
        | PublishError::Text { .. }
        | PublishError::Payload(_)
        | PublishError::Delay(_)
        | PublishError::UniqueFor(_) => false,
    }
}
