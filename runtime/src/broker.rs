//! Messages in and out: the first and the last step of a task's way.
//!
//! A [`Broker`] delivers tasks and events, settles them when their outcome is committed, and publishes. It is RabbitMQ in
//! production and a broker inside the process for `warren dev`; both behave the same, which one conformance suite shows.
//!
//! Promises: a delivery that was not settled comes back; the original of a copy (retry, dead letter) is acked only after
//! the broker confirmed the copy (invariant 1); consuming goes on by itself whatever happens to the connection, until
//! [`Broker::stop_consuming`]; what is held here is bounded by the prefetch.
//!
//! What a message means and what becomes of it is decided elsewhere.

mod config;
mod deliveries;
mod delivery;
mod depths;
mod in_process;
mod publish;
mod rabbitmq;

use std::{num::NonZeroU16, time::Duration};

pub use config::{BrokerConfig, InProcessLimits, MOST_EVENTS};
pub use deliveries::Deliveries;
pub use delivery::{Delivery, Queue};
pub(crate) use depths::is_missing;
pub use depths::{Depth, Depths, DepthsError};
pub use event_driven::client::{Health, Settlement, StartError as ConnectError};
pub use in_process::{DeadLetter, InProcess};
pub use publish::{Publish, PublishError, Target};
pub use rabbitmq::RabbitMq;

use tokio::sync::watch;

/// Where messages come from and go to. Cheap to clone; all clones are the same broker.
#[derive(Debug, Clone)]
pub enum Broker {
    /// A RabbitMQ server.
    RabbitMq(RabbitMq),
    /// Memory of this process.
    InProcess(InProcess),
}

impl Broker {
    /// Connects to RabbitMQ and declares what is needed there. From then on a lost connection is made again for ever,
    /// with growing pauses; see [`health`](Self::health).
    ///
    /// # Errors
    /// Within some seconds, in one line that says what is wrong and what to do.
    pub async fn connect(config: BrokerConfig) -> Result<Self, ConnectError> {
        RabbitMq::connect(config).await.map(Self::RabbitMq)
    }

    /// A broker in memory. Must be called inside a tokio runtime.
    pub fn in_process(limits: InProcessLimits) -> Self {
        Self::InProcess(InProcess::new(limits))
    }

    /// Starts to consume `queue`. To be called once for a queue: each call shares its messages with the others and has a
    /// prefetch of its own.
    pub fn consume(&self, queue: Queue) -> Deliveries {
        match self {
            Self::RabbitMq(broker) => broker.consume(queue),
            Self::InProcess(broker) => broker.consume(queue),
        }
    }

    /// The same, beginning with a smaller prefetch; see [`Deliveries::prefetch`]. In memory it is the whole at once.
    pub fn consume_from(&self, queue: Queue, first: NonZeroU16) -> Deliveries {
        match self {
            Self::RabbitMq(broker) => broker.consume_from(queue, first),
            Self::InProcess(broker) => broker.consume(queue),
        }
    }

    /// Says what becomes of a delivery. Returns at once; what is needed for it (an ack, a copy that must be confirmed) is
    /// done in the background, and [`close`](Self::close) waits for it. A delivery of a connection that is gone meanwhile
    /// is not settled: the broker delivers it again.
    pub fn settle(&self, delivery: Delivery, settlement: Settlement) {
        delivery.settle(settlement);
    }

    /// Publishes, and returns when the broker has the message. Does not wait for a lost connection to come back.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn publish(&self, publish: Publish) -> Result<(), PublishError> {
        match self {
            Self::RabbitMq(broker) => broker.publish(publish).await,
            Self::InProcess(broker) => broker.publish(publish),
        }
    }

    /// Whether messages can come in and go out at this moment.
    pub fn health(&self) -> watch::Receiver<Health> {
        match self {
            Self::RabbitMq(broker) => broker.health(),
            Self::InProcess(broker) => broker.health(),
        }
    }

    /// Messages that wait in `queue`, without those that were delivered and not settled.
    ///
    /// # Errors
    /// If RabbitMQ can't be asked.
    pub async fn depth(&self, queue: Queue) -> Result<u64, PublishError> {
        match self {
            Self::RabbitMq(broker) => broker.depth(queue).await,
            Self::InProcess(broker) => Ok(broker.depth(queue)),
        }
    }

    /// Ends all [`Deliveries`]: returns when no further delivery will be handed out and those that were on their way are
    /// given back. What was handed out can still be settled. May be called again.
    pub async fn stop_consuming(&self) {
        match self {
            Self::RabbitMq(broker) => broker.stop_consuming().await,
            Self::InProcess(broker) => broker.stop_consuming(),
        }
    }

    /// Stops consuming, waits until all that was handed out is settled and RabbitMQ was told, at most for `deadline`, and
    /// disconnects. What is unsettled then is delivered again, to somebody else. Gives whether all was settled. May be
    /// called again.
    pub async fn close(&self, deadline: Duration) -> bool {
        self.stop_consuming().await;
        match self {
            Self::RabbitMq(broker) => broker.close(deadline).await,
            Self::InProcess(broker) => broker.close(deadline).await,
        }
    }
}
