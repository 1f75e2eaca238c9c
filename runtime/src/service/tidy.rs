//! Forgets notes that have served their time: of what was to be cancelled, and of what was the only one of its kind. Beside
//! everything else, so that nothing waits for it.

use std::{sync::Weak, time::Duration};

use tokio::time::sleep;

use super::Service;

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_secs(10 * 60);

impl Service {
    /// Does so for as long as there is a service.
    pub(super) async fn keep_tidy(service: Weak<Self>) {
        while let Some(service) = service.upgrade().filter(|service| !service.is_stopping()) {
            for (what, done) in [
                ("of what is to be cancelled", service.parts.database.forget_old_cancels().await),
                ("of what is the only one of its kind", service.parts.database.forget_old_kinds().await),
            ] {
                if let Err(error) = done {
                    tracing::warn!(%error, "old notes {what} stay for now: {error}");
                }
            }
            let stopping = service.cut_off.clone();
            drop(service);
            // Nothing is lost by ending the pause.
            let _stopped = stopping.run_until_cancelled(sleep(PAUSE)).await;
        }
    }
}
