//! How a delivery waits: for a database that is away without an end, but no longer than it can be settled.

use std::time::Duration;

use event_driven::backoff::Backoff;

use super::Service;
use crate::{broker::Delivery, lifecycle::QueryError};

impl Service {
    /// What `waiting` gives; none if a stop comes first, or the end of the delivery that it is for: what comes again must not
    /// find the one before still waiting, however long an outage is. Nothing may be lost by dropping it.
    pub(super) async fn in_time<T>(&self, waiting: impl Future<Output = T>, delivery: &Delivery) -> Option<T> {
        tokio::select! {
            biased;
            done = waiting => Some(done),
            () = self.cut_off.cancelled() => None,
            () = delivery.voided() => None,
        }
    }
}

/// The first pause between two questions to a database that is away.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How long one question may take: a server that is gone without a word would keep it for as long as TCP hopes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks again for as long as the database can't answer; meanwhile the delivery is held, so that the prefetch stops the
/// flow. A question by id can't be refused for its data, so a refusal may pass too. Cancel-safe.
pub(super) async fn patiently<T, F>(ask: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, QueryError>>,
{
    let mut backoff = Backoff::starting_at(FIRST_PAUSE);
    loop {
        match tokio::time::timeout(PATIENCE, ask()).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(error)) => tracing::debug!(%error, "a task could not be looked up, asking again: {error}"),
            Err(_) => tracing::debug!("a task could not be looked up within {PATIENCE:?}, asking again"),
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}
