//! Waits at the start for servers that are not there yet, as they are not when everything is started at once.

use std::time::Duration;

use event_driven::backoff::Backoff;
use migration::MigrationError;
use tokio::time::{Instant, sleep};

use crate::{
    api::Starting,
    broker, causes,
    components::StoreError,
    lifecycle::{self, Database},
};

/// The first pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How long to wait, all parts together.
pub(super) struct Patience {
    until: Instant,
    starting: Starting,
}

impl Patience {
    /// Begins now. What is waited for can be read from `starting`.
    pub(super) fn begin(patience: Duration, starting: Starting) -> Self {
        Self { until: Instant::now() + patience, starting }
    }

    /// Tries until it succeeds.
    ///
    /// # Errors
    /// At once if the server refuses; the last error if it is still away when the time is over.
    pub(super) async fn reach<T>(
        &self,
        part: &'static str,
        attempt: impl AsyncFn() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let (mut backoff, mut told) = (Backoff::starting_at(FIRST_PAUSE), None);
        loop {
            let error = match attempt().await {
                Ok(reached) => {
                    self.starting.report(part, "ok");
                    return Ok(reached);
                }
                Err(error) => error,
            };
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() || !is_outage(&error) {
                return Err(error);
            }
            // What lies above it may count tries and tell times, which are others each time.
            let cause = Some(error.root_cause().to_string());
            if cause != told {
                let reason = causes::told(error.as_ref());
                let seconds = left.as_secs().max(1);
                self.starting.report(part, format!("waiting: {reason}"));
                tracing::warn!("waiting for the {part}, for {seconds} s at most: {reason}");
                told = cause;
            }
            sleep(backoff.pause().min(left)).await;
        }
    }
}

fn is_outage(error: &anyhow::Error) -> bool {
    let database = error.downcast_ref().is_some_and(lifecycle::ConnectError::is_outage);
    let migration = error.downcast_ref::<MigrationError>().is_some_and(Database::is_outage);
    let broker = error.downcast_ref().is_some_and(broker::ConnectError::is_outage);
    let components = error.downcast_ref().is_some_and(StoreError::is_outage);
    database || migration || broker || components
}
