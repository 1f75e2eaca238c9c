//! Where the lanes of a queue put what was delivered, and where it is taken from.

use std::{
    num::NonZeroU16,
    sync::{Arc, Weak},
};

use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Client, Prefetch, RawDelivery, Source, lane::Lane, supervisor};

type Shelf = Mutex<mpsc::Receiver<RawDelivery>>;

/// Deliveries of one queue, until it is no longer consumed. Dropped, it is no longer consumed, and what was not taken is
/// given back.
#[derive(Debug)]
pub struct Deliveries {
    /// What nobody has taken yet; no more than the prefetch.
    shelf: Arc<Shelf>,
    prefetch: Prefetch,
    stop: CancellationToken,
}

impl Deliveries {
    pub(super) fn new(shelf: mpsc::Receiver<RawDelivery>, prefetch: Prefetch, stop: CancellationToken) -> Self {
        Self { shelf: Arc::new(Mutex::new(shelf)), prefetch, stop }
    }

    /// How many deliveries of this queue may be unsettled at once, to be changed at any time.
    pub fn prefetch(&self) -> Prefetch {
        self.prefetch.clone()
    }

    /// The next delivery; `None` once consuming was stopped, and only then. Nothing is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<RawDelivery> {
        self.recv_many(1).await.pop()
    }

    /// Those that are there, `most` of them at most (at least 1); waits for the first. None once consuming was stopped, and only
    /// then. Nothing is lost if the future is dropped.
    pub async fn recv_many(&mut self, most: usize) -> Vec<RawDelivery> {
        let (mut shelf, mut deliveries) = (self.shelf.lock().await, Vec::new());
        loop {
            let received = tokio::select! {
                // Once stopped, nothing more is handed out.
                biased;
                () = self.stop.cancelled() => {
                    give_back(&mut shelf);
                    return Vec::new();
                }
                received = shelf.recv_many(&mut deliveries, most.max(1)) => received,
            };
            // Of a connection that is gone: it will be delivered again, and must not be done twice.
            deliveries.retain(|delivery| !delivery.is_void());
            if received == 0 || !deliveries.is_empty() {
                return deliveries;
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

impl Client {
    /// Starts to consume a queue that was declared. Each call shares the queue's messages with the others and has a
    /// prefetch of its own.
    pub fn consume(&self, source: Source) -> Deliveries {
        let most = source.prefetch;
        self.consume_from(source, most)
    }

    /// The same, beginning with a smaller prefetch than the source's.
    pub fn consume_from(&self, source: Source, first: NonZeroU16) -> Deliveries {
        let (out, inbox) = mpsc::channel(usize::from(source.prefetch.get()));
        let stop = self.shared.stop.child_token();
        let prefetch = Prefetch::new(source.prefetch, first);
        let lanes = source.channels.get().min(source.prefetch.get());
        let source = Arc::new(source);
        for number in 0..lanes {
            let lane = Lane::new(&source, prefetch.share(number, lanes), out.clone(), stop.clone());
            let run = move |shared| lane.clone().run(shared);
            self.background.spawn_lane(supervisor::keep_alive("consumer", Arc::clone(&self.shared), run));
        }
        let deliveries = Deliveries::new(inbox, prefetch, stop);
        let mut untaken = self.shared.untaken();
        // Those of subscriptions that were stopped by themselves.
        untaken.retain(|untaken| !untaken.is_gone());
        untaken.push(deliveries.untaken());
        deliveries
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
        // Whoever holds the lock is in `Deliveries::recv_many`, which gives back by itself when it sees the stop.
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
