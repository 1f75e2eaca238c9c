//! Where the lanes of a queue put what was delivered, and where it is taken from.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::RawDelivery;

/// Deliveries that nobody has taken yet; no more than the prefetch. Shared, so that they can be given back at stop even
/// if nobody asks for the next one.
#[derive(Debug, Clone)]
pub(super) struct Shelf(Arc<Mutex<mpsc::Receiver<RawDelivery>>>);

impl Shelf {
    pub(super) fn new(deliveries: mpsc::Receiver<RawDelivery>) -> Self {
        Self(Arc::new(Mutex::new(deliveries)))
    }

    /// Whoever holds the lock is in [`Deliveries::recv`], which gives back by itself when it sees the stop.
    pub(super) fn give_back(&self) {
        if let Ok(mut deliveries) = self.0.try_lock() {
            drain(&mut deliveries);
        }
    }

    /// Whether nobody can take from it any more.
    pub(super) fn is_gone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Dropping a delivery releases it.
fn drain(deliveries: &mut mpsc::Receiver<RawDelivery>) {
    while let Ok(delivery) = deliveries.try_recv() {
        drop(delivery);
    }
}

/// Deliveries of one queue, until it is no longer consumed.
#[derive(Debug)]
pub struct Deliveries {
    shelf: Shelf,
    stop: CancellationToken,
}

impl Deliveries {
    pub(super) fn new(shelf: Shelf, stop: CancellationToken) -> Self {
        Self { shelf, stop }
    }

    /// The next delivery; `None` once consuming was stopped, and only then. Nothing is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<RawDelivery> {
        let mut deliveries = self.shelf.0.lock().await;
        loop {
            let delivery = tokio::select! {
                // Once stopped, nothing more is handed out.
                biased;
                () = self.stop.cancelled() => {
                    drain(&mut deliveries);
                    return None;
                }
                delivery = deliveries.recv() => delivery?,
            };
            // Of a connection that is gone: it will be delivered again, and must not be done twice.
            if !delivery.is_void() {
                return Some(delivery);
            }
        }
    }

    /// Stops consuming this queue alone when it is cancelled; what was handed out can still be settled.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }
}

/// What nobody can take any more is given back, and no more of it is wanted.
impl Drop for Deliveries {
    fn drop(&mut self) {
        self.stop.cancel();
        self.shelf.give_back();
    }
}
