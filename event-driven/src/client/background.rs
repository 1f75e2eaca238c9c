//! The tasks that a client owns, and their end.

use std::future::Future;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Lanes deliver and settle, workers handle what was delivered, the supervisor keeps the link. All of them end when this is
/// dropped.
#[derive(Debug, Default)]
pub(super) struct Background {
    lanes: TaskTracker,
    workers: TaskTracker,
    supervisor: TaskTracker,
    /// Everything ends at once.
    end: CancellationToken,
    /// Workers end at once.
    abandoned: CancellationToken,
}

impl Background {
    pub(super) fn spawn_lane(&self, work: impl Future<Output = ()> + Send + 'static) {
        spawn(&self.lanes, self.end.clone(), work);
    }

    pub(super) fn spawn_worker(&self, work: impl Future<Output = ()> + Send + 'static) {
        let end = self.end.clone();
        let work = async move {
            end.run_until_cancelled(work).await;
        };
        spawn(&self.workers, self.abandoned.clone(), work);
    }

    pub(super) fn spawn_supervisor(&self, work: impl Future<Output = ()> + Send + 'static) {
        spawn(&self.supervisor, self.end.clone(), work);
    }

    /// Waits until workers and lanes have ended by themselves: nothing is handled any more, and all is settled. Many may
    /// wait at once.
    pub(super) async fn done(&self) {
        self.workers.close();
        self.workers.wait().await;
        self.lanes_done().await;
    }

    /// Waits until all lanes have ended by themselves.
    pub(super) async fn lanes_done(&self) {
        self.lanes.close();
        self.lanes.wait().await;
    }

    /// Waits until the supervisor has ended by itself.
    pub(super) async fn supervisor_done(&self) {
        self.supervisor.close();
        self.supervisor.wait().await;
    }

    /// Ends the workers; what they held is released.
    pub(super) fn abandon(&self) {
        self.abandoned.cancel();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

fn spawn(tracker: &TaskTracker, until: CancellationToken, work: impl Future<Output = ()> + Send + 'static) {
    tracker.spawn(async move {
        until.run_until_cancelled(work).await;
    });
}
