//! Stops the service: one list, in a fixed order.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

use super::Service;

/// What a stop took and what it left.
#[derive(Debug)]
pub struct StopReport {
    /// How long it took.
    pub elapsed: Duration,
    /// Tasks that were interrupted; their messages are back in the queue, and no attempt is used up.
    pub interrupted: Vec<Uuid>,
    /// Whether everything that was done is recorded and settled. What is not comes back as a redelivery.
    pub clean: bool,
}

/// How long rows and acks may take once nothing is executed any more.
const FLUSH: Duration = Duration::from_secs(5);

impl Service {
    /// Stops. Running tasks may end within `grace`; `hurry` cuts that short (a second signal). May be called twice.
    ///
    /// The order: stop consuming, so that nothing new begins; let what runs end; interrupt the rest, whose deliveries
    /// go back to their queue; flush the rows; tell that this runtime is gone; settle; close the broker's connection. HTTP is
    /// stopped by who started it, last, so that health stays readable.
    pub async fn stop(self: &Arc<Self>, grace: Duration, hurry: impl Future<Output = ()>) -> StopReport {
        let started = Instant::now();
        self.stopping.store(true, std::sync::atomic::Ordering::Relaxed);
        let parts = &self.parts;
        self.deliveries.close();
        self.delayed_arrived.notify_one();
        // What is cut off is only the waiting: nothing is lost by dropping any of the three. `biased`, so that consuming is
        // stopped even if the hurry is there already: what is given back below must not be delivered here again.
        tokio::select! {
            biased;
            () = async {
                parts.broker.stop_consuming().await;
                self.deliveries.wait().await;
            } => {}
            () = tokio::time::sleep(grace) => {}
            () = hurry => {}
        }
        let interrupted = self.in_flight.ids();
        parts.sandbox.interrupt();
        self.cut_off.cancel();
        self.look_for_cancels.notify_one();
        let all_over = async {
            parts.broker.stop_consuming().await;
            self.deliveries.wait().await;
        };
        let settled = tokio::time::timeout(FLUSH, all_over).await.is_ok();
        parts.components.stop().await;
        // What of it is not over by then is another runtime's when its claim has run out.
        let _in_time = tokio::time::timeout(FLUSH, self.background.wait()).await;
        let flushed = parts.recorder.stop(FLUSH).await;
        parts.heartbeat.stop().await;
        let closed = parts.broker.close(FLUSH).await;
        let report = StopReport { elapsed: started.elapsed(), interrupted, clean: settled && flushed && closed };
        report.log();
        match self.duplicates.load(std::sync::atomic::Ordering::Relaxed) {
            0 => {}
            duplicates => {
                tracing::info!(duplicates, "{duplicates} messages were settled without an execution: duplicates")
            }
        }
        report
    }
}

impl StopReport {
    fn log(&self) {
        let Self { elapsed, interrupted, clean } = self;
        let elapsed =
            humantime::format_duration(Duration::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)));
        match (interrupted.as_slice(), clean) {
            ([], true) => tracing::info!("stopped after {elapsed}; nothing is left behind"),
            (ids, true) => {
                tracing::warn!(task.ids = ?ids, "stopped after {elapsed}; {} tasks went back to their queue", ids.len())
            }
            (ids, false) => tracing::error!(task.ids = ?ids,
                "stopped after {elapsed}, and not everything could be recorded and settled; the broker delivers the rest again"),
        }
    }
}
