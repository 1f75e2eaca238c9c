//! Takes up again what was accepted and is not done: for `warren dev`, whose broker does not outlive the process.
//!
//! Beside what is accepted meanwhile, since there may be more than the queue has room for. What is published again by somebody else at that
//! time (a retry, what falls due) may come twice, as over AMQP.

use std::{sync::Arc, time::Duration};

use event_driven::backoff::Backoff;

use super::{Service, again::request_of, submit::publish_task};
use crate::{
    broker::{Broker, InProcess, PublishError},
    lifecycle::{Cursor, QueryError},
};

/// Rows that are read at once; each may carry a payload of some megabytes.
const PAGE: u64 = 256;

/// The first pause before rows are asked for again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

impl Service {
    /// Begins to publish the message of each unfinished row once more, as fast as the queue takes them, and says how many those were.
    /// What is left at a stop is taken up at the next start. Where the broker outlives the process there is nothing to be done.
    ///
    /// # Errors
    /// If the database can't be asked which the last one is: what comes after that is published by who accepts it.
    pub async fn resume(self: &Arc<Self>) -> Result<(), QueryError> {
        let Broker::InProcess(broker) = self.parts.broker.clone() else { return Ok(()) };
        let Some(last) = self.parts.database.last_unfinished().await? else { return Ok(()) };
        let service = self.clone();
        self.background.spawn(async move {
            match service.cut_off.run_until_cancelled(service.publish_unfinished(&broker, last)).await {
                None => {}
                Some(Ok(count)) => tracing::info!("{count} tasks that were not done are taken up again"),
                Some(Err(error)) => {
                    tracing::warn!(%error, "not all tasks could be taken up again, the next start goes on: {error}");
                }
            }
        });
        Ok(())
    }

    /// As far as the one that stands at `last`.
    async fn publish_unfinished(&self, broker: &InProcess, last: Cursor) -> Result<usize, PublishError> {
        let (mut count, mut after, mut backoff) = (0, None, Backoff::starting_at(FIRST_PAUSE));
        loop {
            let rows = match self.parts.database.unfinished(PAGE, after).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::warn!(%error, "tasks that were not done can't be read, asking again: {error}");
                    tokio::time::sleep(backoff.pause()).await;
                    continue;
                }
            };
            backoff.reset();
            if rows.is_empty() {
                return Ok(count);
            }
            for row in rows {
                let place = Cursor { created_at: row.created_at, id: row.id };
                if place > last {
                    return Ok(count);
                }
                after = Some(place);
                if let Some(request) = request_of(&row) {
                    broker.publish_in_turn(publish_task(&request)).await?;
                    count += 1;
                }
            }
        }
    }
}
