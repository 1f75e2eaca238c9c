//! The stream of deliveries of one queue.

use event_driven::client::Prefetch;

use super::{Delivery, in_process, rabbitmq};

/// Deliveries of one queue, until the broker stops consuming.
#[derive(Debug)]
pub struct Deliveries(pub(super) Inbox);

#[derive(Debug)]
pub(super) enum Inbox {
    RabbitMq(rabbitmq::Inbox),
    InProcess(in_process::Inbox),
}

impl Deliveries {
    /// How many deliveries may be unsettled at once, to be changed at any time. In memory it never changes.
    pub fn prefetch(&self) -> Option<Prefetch> {
        match &self.0 {
            Inbox::RabbitMq(inbox) => Some(inbox.prefetch()),
            Inbox::InProcess(_) => None,
        }
    }

    /// The next delivery; `None` once the broker has stopped consuming, and only then. Nothing is lost if the future is
    /// dropped.
    pub async fn recv(&mut self) -> Option<Delivery> {
        self.recv_many(1).await.pop()
    }

    /// Those that are there, `most` of them at most (at least 1); waits for the first. None once the broker has stopped consuming,
    /// and only then. Nothing is lost if the future is dropped.
    pub async fn recv_many(&mut self, most: usize) -> Vec<Delivery> {
        match &mut self.0 {
            Inbox::RabbitMq(inbox) => inbox.recv_many(most).await,
            Inbox::InProcess(inbox) => inbox.recv_many(most).await,
        }
    }
}
