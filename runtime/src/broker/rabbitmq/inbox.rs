//! Where the lanes of a queue put what was delivered, and where it is taken from.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::super::Delivery;

/// Deliveries that nobody has taken yet; no more than the prefetch. Shared, so that they can be given back at stop even
/// if nobody asks for the next one.
#[derive(Debug, Clone)]
pub(super) struct Shelf(Arc<Mutex<mpsc::Receiver<Delivery>>>);

impl Shelf {
    pub(super) fn new(deliveries: mpsc::Receiver<Delivery>) -> Self {
        Self(Arc::new(Mutex::new(deliveries)))
    }

    /// Whoever holds the lock is in [`Inbox::recv`], which gives back by itself when it sees the stop.
    pub(super) fn give_back(&self) {
        if let Ok(mut deliveries) = self.0.try_lock() {
            drain(&mut deliveries);
        }
    }
}

/// Dropping a delivery releases it.
fn drain(deliveries: &mut mpsc::Receiver<Delivery>) {
    while let Ok(delivery) = deliveries.try_recv() {
        drop(delivery);
    }
}

/// The receiving end of a queue.
#[derive(Debug)]
pub(in crate::broker) struct Inbox {
    shelf: Shelf,
    stop: CancellationToken,
}

impl Inbox {
    pub(super) fn new(shelf: Shelf, stop: CancellationToken) -> Self {
        Self { shelf, stop }
    }

    pub(in crate::broker) async fn recv(&mut self) -> Option<Delivery> {
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
}
