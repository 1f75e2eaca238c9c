//! Takes deliveries of one queue and has them processed, so many at a time.

use std::{future::Future, sync::Arc};

use tokio::task::{JoinError, JoinSet};

use crate::client::{Deliveries, RawDelivery};

/// What is done with one delivery: it is decoded, handled and settled.
pub(super) trait Process: Send + Sync + 'static {
    fn process(&self, delivery: RawDelivery) -> impl Future<Output = ()> + Send;
}

/// Until the queue is no longer consumed, and all that was delivered is settled.
pub(super) async fn run<P: Process>(mut deliveries: Deliveries, process: P, concurrency: usize) {
    let process = Arc::new(process);
    let mut running = JoinSet::new();
    loop {
        // Both lose nothing when they are dropped.
        tokio::select! {
            Some(ended) = running.join_next() => tell(ended),
            delivery = deliveries.recv(), if running.len() < concurrency => {
                let Some(delivery) = delivery else { break };
                let process = Arc::clone(&process);
                running.spawn(async move { process.process(delivery).await });
            }
        }
    }
    while let Some(ended) = running.join_next().await {
        tell(ended);
    }
}

/// Handlers' panics are caught where they run: one that comes here is a fault of this crate. Its delivery is released.
fn tell(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "processing a delivery panicked");
    }
}
