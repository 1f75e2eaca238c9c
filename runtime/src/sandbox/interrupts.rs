//! What ends executions from outside: a stop ends all, a cancellation that of its task.
//!
//! An execution that ends in its first poll, as most do, never looks here.

use std::collections::HashSet;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::outcome::Outcome;

#[derive(Debug, Default)]
pub(super) struct Interrupts {
    all: CancellationToken,
    /// The tasks that are to be cancelled.
    cancelled: watch::Sender<HashSet<Uuid>>,
}

impl Interrupts {
    /// Waits until the execution of `task` is to end; gives what its outcome is then. Cancel-safe.
    pub(super) async fn of(&self, task: Uuid) -> Outcome {
        let mut cancelled = self.cancelled.subscribe();
        tokio::select! {
            biased;
            () = self.all.cancelled() => Outcome::Interrupted,
            // Never an error: the sender is there for as long as this.
            Ok(_) = cancelled.wait_for(|tasks| tasks.contains(&task)) => Outcome::Cancelled,
        }
    }

    /// Ends all executions, and each that begins later and does not end at once.
    pub(super) fn interrupt(&self) {
        self.all.cancel();
    }

    /// What `waiting` gives; none if all executions are to end. Nothing may be lost by dropping it.
    pub(super) async fn unless_interrupted<T>(&self, waiting: impl Future<Output = T>) -> Option<T> {
        self.all.run_until_cancelled(waiting).await
    }

    /// These tasks are to be cancelled, and no others.
    pub(super) fn cancel(&self, tasks: HashSet<Uuid>) {
        self.cancelled.send_if_modified(|before| {
            let is_new = *before != tasks;
            *before = tasks;
            is_new
        });
    }

    /// A task is not to be cancelled after all.
    pub(super) fn uncancel(&self, task: Uuid) {
        self.cancelled.send_if_modified(|tasks| tasks.remove(&task));
    }
}
