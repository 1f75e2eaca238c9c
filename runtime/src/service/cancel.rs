//! Cancels tasks: notes the wish where every runtime sees it, and interrupts what this one is at.
//!
//! What waits for its message is ended by admission, what runs by the sandbox: it is told here which tasks are to be
//! cancelled, as the database has it.

use std::{sync::Weak, time::Duration};

use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{Service, waiting::patiently};
use crate::{
    lifecycle::{Cancelled, QueryError},
    outcome::Outcome,
};

/// The pause between two looks at what is to be cancelled: other processes note it, so there is no event to wait for.
const LOOK: Duration = Duration::from_millis(500);

/// How far back a look goes beyond the one before: a note may be committed some time after the time that it has.
const OVERLAP: Duration = Duration::from_secs(60);

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Service {
    /// Cancels a task, wherever it is.
    ///
    /// # Errors
    /// If the database can't be asked. The same may be asked again.
    pub async fn cancel(&self, id: Uuid) -> Result<Cancelled, QueryError> {
        let cancelled = self.parts.database.cancel(id).await?;
        self.look_for_cancels.notify_one();
        Ok(cancelled)
    }

    /// Tells the sandbox what is to be cancelled, for as long as there is a service.
    pub(super) async fn watch_cancels(service: Weak<Self>) {
        let mut last = Instant::now();
        while let Some(service) = service.upgrade().filter(|service| !service.cut_off.is_cancelled()) {
            let _told_or_time = timeout(LOOK, service.look_for_cancels.notified()).await;
            let began = Instant::now();
            let looked = timeout(PATIENCE, service.parts.database.cancelled_within(last.elapsed() + OVERLAP)).await;
            match looked {
                Ok(Ok(tasks)) => {
                    service.parts.sandbox.cancel(tasks);
                    last = began;
                }
                // That the database is away is told by the recorder's health.
                Ok(Err(error)) => tracing::debug!(%error, "what is to be cancelled is not known: {error}"),
                Err(_) => tracing::debug!("what is to be cancelled is not known within {PATIENCE:?}"),
            }
        }
    }

    /// What came of an execution, told once more: the wish to cancel it may have been taken back since the sandbox was told.
    pub(super) async fn still_cancelled(&self, id: Uuid, outcome: Outcome) -> Outcome {
        if outcome != Outcome::Cancelled {
            return outcome;
        }
        let state = self.cut_off.run_until_cancelled(patiently(|| self.parts.lookups.state(id))).await;
        match state.flatten() {
            Some(state) if !state.to_be_cancelled && !state.status.is_final() => {
                self.parts.sandbox.uncancel(id);
                Outcome::Interrupted
            }
            Some(_) | None => Outcome::Cancelled,
        }
    }
}
