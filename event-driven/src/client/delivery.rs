//! A message that was delivered, and what becomes of it.

use bytes::Bytes;
use lapin::BasicProperties;

use super::ticket::Ticket;
use crate::names::Attempt;

/// What becomes of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It is over: what it was for is done, and committed.
    Ack,
    /// It is tried again, after the delay that follows the attempt before `attempt`. A copy with `x-attempt` and `x-error`
    /// waits in the retry queue; attempts beyond the declared retry queues wait in the last of them, and where there is
    /// none the copy is a dead letter.
    Retry {
        /// The attempt that will be made.
        attempt: Attempt,
        /// Why the one before failed.
        error: String,
    },
    /// A copy with `x-error` goes to the dead-letter queue.
    DeadLetter {
        /// Why.
        error: String,
    },
    /// It is given back and delivered again, to anybody, at once. Uses up no attempt, but RabbitMQ counts: what is given
    /// back 20 times to a quorum queue is dead-lettered. So not a way to wait for something; keep the delivery meanwhile.
    Release,
}

/// A message that was delivered and is not settled yet. Dropped without being settled, it is released.
#[derive(Debug)]
pub struct RawDelivery {
    /// The key with which it was published first, even if it has been tried before.
    pub routing_key: String,
    /// Its properties.
    pub properties: BasicProperties,
    /// Its body.
    pub body: Bytes,
    /// Whether it was delivered before and not settled, perhaps to a process that died of it.
    pub redelivered: bool,
    /// The right to settle it.
    pub receipt: Receipt,
}

impl RawDelivery {
    /// Whether it can no longer be settled, since the connection is gone: RabbitMQ delivers it again.
    pub fn is_void(&self) -> bool {
        self.receipt.is_void()
    }

    /// Says what becomes of it. Returns at once; what is needed for it (an ack, a copy that must be confirmed) is done in
    /// the background, and closing the client waits for it. A delivery of a connection that is gone meanwhile is not
    /// settled: RabbitMQ delivers it again.
    pub fn settle(self, settlement: Settlement) {
        let Self { routing_key, properties, body, receipt, .. } = self;
        receipt.settle(Original { routing_key, properties, body }, settlement);
    }
}

/// What a copy is made of: a message as it was delivered.
#[derive(Debug)]
pub struct Original {
    /// The key with which it was published first.
    pub routing_key: String,
    /// Its properties.
    pub properties: BasicProperties,
    /// Its body.
    pub body: Bytes,
}

/// The right to settle one delivery, once. Dropped, the delivery is released: one that is forgotten (a handler that
/// panicked) must not use up the prefetch for ever.
#[derive(Debug)]
pub struct Receipt(Option<Ticket>);

impl Receipt {
    pub(super) fn new(ticket: Ticket) -> Self {
        Self(Some(ticket))
    }

    /// As [`RawDelivery::is_void`].
    pub fn is_void(&self) -> bool {
        self.0.as_ref().is_none_or(Ticket::is_void)
    }

    /// Returns when it can no longer be settled.
    pub async fn voided(&self) {
        if let Some(ticket) = &self.0 {
            ticket.voided().await;
        }
    }

    /// As [`RawDelivery::settle`], for who took the delivery apart.
    pub fn settle(mut self, original: Original, settlement: Settlement) {
        if let Some(ticket) = self.0.take() {
            ticket.settle(original, settlement);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            ticket.release();
        }
    }
}
