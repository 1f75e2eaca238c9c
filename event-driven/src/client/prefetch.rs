//! How many deliveries of one queue may be unsettled at once, changed while it is consumed.
//!
//! Who consumes tells the whole; each lane takes its share of it.

use std::num::NonZeroU16;

use tokio::sync::watch;

/// How many deliveries of one queue may be unsettled at once. All clones are the same.
#[derive(Debug, Clone)]
pub struct Prefetch {
    most: NonZeroU16,
    wanted: watch::Sender<u16>,
}

impl Prefetch {
    /// Never above `most`; `first` until it is set.
    pub(super) fn new(most: NonZeroU16, first: NonZeroU16) -> Self {
        Self { most, wanted: watch::Sender::new(first.min(most).get()) }
    }

    /// From now on so many, at least 1 and at most what the [`Source`](super::Source) says. More is asked for at once. With
    /// less, what was delivered already stays, and nothing further comes until enough of it is settled. Where it is below
    /// the number of channels, some of them get nothing. A quorum queue marks as redelivered what was just on its way to a
    /// consumer that was one too many.
    pub fn set(&self, prefetch: u16) {
        let prefetch = prefetch.clamp(1, self.most.get());
        self.wanted.send_if_modified(|wanted| std::mem::replace(wanted, prefetch) != prefetch);
    }

    /// As it was set last.
    pub fn get(&self) -> u16 {
        *self.wanted.borrow()
    }

    /// The share of lane `number` of `lanes`.
    pub(super) fn share(&self, number: u16, lanes: u16) -> Share {
        Share { most: share(self.most.get(), lanes, number), wanted: self.wanted.subscribe(), number, lanes }
    }
}

/// What one lane has of the whole.
#[derive(Debug, Clone)]
pub(super) struct Share {
    /// What it can't exceed.
    pub(super) most: u16,
    /// Which lane it is.
    pub(super) number: u16,
    lanes: u16,
    wanted: watch::Receiver<u16>,
}

impl Share {
    /// As it is now; [`changed`](Self::changed) waits for another one.
    pub(super) fn now(&mut self) -> u16 {
        share(*self.wanted.borrow_and_update(), self.lanes, self.number)
    }

    /// Waits until it is set anew. Loses nothing when it is dropped.
    pub(super) async fn changed(&mut self) -> u16 {
        if self.wanted.changed().await.is_err() {
            // Nobody is left who could set it.
            std::future::pending::<()>().await;
        }
        self.now()
    }
}

/// The part of one of several lanes; all together are the whole.
fn share(prefetch: u16, lanes: u16, number: u16) -> u16 {
    prefetch / lanes + u16::from(number < prefetch % lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_add_up() {
        for (prefetch, lanes) in [(256, 4), (7, 4), (4, 4), (1, 1), (3, 4)] {
            let whole = Prefetch::new(NonZeroU16::new(1000).unwrap(), NonZeroU16::new(prefetch).unwrap());
            let shares: Vec<u16> = (0..lanes).map(|number| whole.share(number, lanes).now()).collect();
            assert_eq!(shares.iter().sum::<u16>(), prefetch);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn it_is_never_0_and_never_above_the_most() {
        let prefetch = Prefetch::new(NonZeroU16::new(10).unwrap(), NonZeroU16::new(64).unwrap());
        assert_eq!(prefetch.get(), 10);
        for (set, becomes) in [(0, 1), (11, 10), (7, 7)] {
            prefetch.set(set);
            assert_eq!(prefetch.get(), becomes);
        }
    }
}
