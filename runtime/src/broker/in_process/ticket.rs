//! The right to settle one delivery.

use std::sync::{Arc, Weak};

use super::{
    super::{Queue, Settlement},
    Shared,
};

/// Leads back to the broker; void once it is gone or has taken the delivery back.
#[derive(Debug)]
pub(in crate::broker) struct Ticket {
    shared: Weak<Shared>,
    queue: Queue,
    number: u64,
}

impl Ticket {
    pub(super) fn new(shared: &Arc<Shared>, queue: Queue, number: u64) -> Self {
        Self { shared: Arc::downgrade(shared), queue, number }
    }

    pub(in crate::broker) fn is_void(&self) -> bool {
        self.shared.upgrade().is_none_or(|shared| !shared.queues().is_delivered(self.queue, self.number))
    }

    pub(in crate::broker) fn settle(self, settlement: &Settlement) {
        if let Some(shared) = self.shared.upgrade() {
            shared.change(|queues| queues.settle(self.queue, self.number, settlement));
        }
    }
}
