//! Where the lanes of a queue put what was delivered, and where it is taken from.

use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::RawDelivery;

type Shelf = Mutex<mpsc::Receiver<RawDelivery>>;

/// Deliveries of one queue, until it is no longer consumed. Dropped, it is no longer consumed, and what was not taken is
/// given back.
#[derive(Debug)]
pub struct Deliveries {
    /// What nobody has taken yet; no more than the prefetch.
    shelf: Arc<Shelf>,
    stop: CancellationToken,
}

impl Deliveries {
    pub(super) fn new(shelf: mpsc::Receiver<RawDelivery>, stop: CancellationToken) -> Self {
        Self { shelf: Arc::new(Mutex::new(shelf)), stop }
    }

    /// The next delivery; `None` once consuming was stopped, and only then. Nothing is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<RawDelivery> {
        let mut shelf = self.shelf.lock().await;
        loop {
            let delivery = tokio::select! {
                // Once stopped, nothing more is handed out.
                biased;
                () = self.stop.cancelled() => {
                    give_back(&mut shelf);
                    return None;
                }
                delivery = shelf.recv() => delivery?,
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

    /// For the client, which gives back at its stop what nobody asks for.
    pub(super) fn untaken(&self) -> Untaken {
        Untaken(Arc::downgrade(&self.shelf))
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What was delivered and not taken yet.
#[derive(Debug)]
pub(super) struct Untaken(Weak<Shelf>);

impl Untaken {
    pub(super) fn give_back(&self) {
        // Whoever holds the lock is in `Deliveries::recv`, which gives back by itself when it sees the stop.
        if let Some(shelf) = self.0.upgrade()
            && let Ok(mut shelf) = shelf.try_lock()
        {
            give_back(&mut shelf);
        }
    }

    /// Whether nobody can take from it any more.
    pub(super) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// Takes nothing more from the lanes; dropping a delivery releases it.
fn give_back(shelf: &mut mpsc::Receiver<RawDelivery>) {
    shelf.close();
    while let Ok(delivery) = shelf.try_recv() {
        drop(delivery);
    }
}
