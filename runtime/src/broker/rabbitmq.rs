//! RabbitMQ: the client of `event-driven` with the queues of this service.

use std::{num::NonZeroU16, time::Duration};

use event_driven::{
    client::{self, Client, Prefetch, RawDelivery, Source},
    message::earlier_returns,
    topology::plan,
};
use tokio::sync::watch;

use super::{
    BrokerConfig, ConnectError, Deliveries, Delivery, Health, MOST_EVENTS, Publish, PublishError, Queue, deliveries,
    delivery::{Receipt, Ticket},
};

/// A RabbitMQ server. All clones share its connections, which end with the last of them.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    client: Client,
    prefetch: NonZeroU16,
    channels: NonZeroU16,
}

impl RabbitMq {
    /// See [`Broker::connect`](super::Broker::connect).
    ///
    /// # Errors
    /// If there is no connection, or what is needed can't be declared.
    pub async fn connect(config: BrokerConfig) -> Result<Self, ConnectError> {
        let BrokerConfig { client, prefetch, channels } = config;
        let plan = plan(&client.topology);
        Ok(Self { client: Client::connect_with(client, plan).await?, prefetch, channels })
    }

    pub(super) fn consume(&self, queue: Queue) -> Deliveries {
        self.consume_from(queue, self.prefetch)
    }

    pub(super) fn consume_from(&self, queue: Queue, first: NonZeroU16) -> Deliveries {
        let source = match queue.class() {
            Some(class) => Source::tasks(class, self.client.settings().topology.retries, self.prefetch, self.channels),
            None => Source::event_store(self.prefetch.saturating_mul(MOST_EVENTS)),
        };
        Deliveries(deliveries::Inbox::RabbitMq(Inbox { deliveries: self.client.consume_from(source, first), queue }))
    }

    pub(super) async fn publish(&self, publish: Publish) -> Result<(), PublishError> {
        self.client.publish(publish.into()).await
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.client.health()
    }

    pub(super) async fn depth(&self, queue: Queue) -> Result<u64, PublishError> {
        self.client.depth(queue.name()).await
    }

    pub(super) async fn stop_consuming(&self) {
        self.client.stop_consuming().await;
    }

    pub(super) async fn close(&self, deadline: Duration) -> bool {
        self.client.close(deadline).await
    }
}

/// The receiving end of a queue.
#[derive(Debug)]
pub(super) struct Inbox {
    deliveries: client::Deliveries,
    queue: Queue,
}

impl Inbox {
    pub(super) fn prefetch(&self) -> Prefetch {
        self.deliveries.prefetch()
    }

    pub(super) async fn recv_many(&mut self, most: usize) -> Vec<Delivery> {
        let deliveries = self.deliveries.recv_many(most).await;
        let of_queue = |RawDelivery { routing_key, properties, body, redelivered, receipt }| {
            let receipt = Receipt::new(Ticket::RabbitMq(receipt));
            let redelivered = redelivered || earlier_returns(&properties).is_some();
            Delivery { queue: self.queue, routing_key, properties, body, redelivered, receipt }
        };
        deliveries.into_iter().map(of_queue).collect()
    }
}
