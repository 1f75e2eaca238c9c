//! What the service holds at this moment, and what it is done with. Counted, so that the pace can follow.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use event_driven::names::Priority;

use crate::class::PerClass;

/// Counts the tasks' deliveries of one service.
#[derive(Debug, Default)]
pub(super) struct Load {
    held: PerClass<AtomicU64>,
    bytes: AtomicU64,
    ended: PerClass<AtomicU64>,
    parked: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Deliveries that are unsettled.
    pub(super) held: PerClass<u64>,
    /// Bytes of their bodies.
    pub(super) bytes: u64,
    /// Deliveries that came to an end since the start.
    pub(super) ended: PerClass<u64>,
    /// Deliveries that wait for what becomes of a task elsewhere, and need no place here meanwhile.
    pub(super) parked: u64,
}

/// A delivery that waits; counted until it is dropped.
#[derive(Debug)]
pub(super) struct Parked(Arc<Load>);

impl Drop for Parked {
    fn drop(&mut self) {
        self.0.parked.fetch_sub(1, Relaxed);
    }
}

/// One delivery that is unsettled; counted until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    load: Arc<Load>,
    class: Priority,
    bytes: u64,
}

impl Load {
    pub(super) fn hold(self: &Arc<Self>, class: Priority, body: &[u8]) -> Held {
        let bytes = body.len() as u64;
        self.held.get(class).fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        Held { load: Arc::clone(self), class, bytes }
    }

    pub(super) fn park(self: &Arc<Self>) -> Parked {
        self.parked.fetch_add(1, Relaxed);
        Parked(Arc::clone(self))
    }

    pub(super) fn seen(&self) -> Seen {
        Seen {
            held: PerClass::of(|class| self.held.get(class).load(Relaxed)),
            bytes: self.bytes.load(Relaxed),
            ended: PerClass::of(|class| self.ended.get(class).load(Relaxed)),
            parked: self.parked.load(Relaxed),
        }
    }
}

impl Seen {
    /// Deliveries that are unsettled, of all classes.
    pub(super) fn held(&self) -> u64 {
        self.held.sum()
    }
}

impl Held {
    /// It came to an end, and was not only given back.
    pub(super) fn ended(&self) {
        self.load.ended.get(self.class).fetch_add(1, Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.held.get(self.class).fetch_sub(1, Relaxed);
        self.load.bytes.fetch_sub(self.bytes, Relaxed);
    }
}
