//! Publishes with confirms, many at a time.
//!
//! Like a group commit: each lane (a channel of its own) sends all that is waiting, then waits for RabbitMQ's answers to
//! all of them. No timer is involved, so one message alone goes out at once and a thousand share a round trip. And when
//! all answers of a round are there, a message that RabbitMQ returned as unroutable can be told from its neighbours for
//! certain: RabbitMQ's returns carry no number, only the message itself.
//!
//! A publisher lives as long as its connection: when that is gone, make a new one.

mod error;
mod lane;
mod round;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lapin::{BasicProperties, Connection};
use tokio::sync::{mpsc, oneshot};

pub use error::PublishError;

use crate::{
    message::{EventMessage, TaskRequest},
    names::{EVENT_EXCHANGE, TASK_EXCHANGE},
};

/// How to publish.
#[derive(Debug, Clone)]
pub struct PublisherSettings {
    /// Channels; while one waits for its answers, another sends.
    pub lanes: usize,
    /// Most messages of one round on one lane.
    pub round: usize,
    /// How long RabbitMQ may take to confirm a round. It takes long when it is short of memory or disk.
    pub timeout: Duration,
}

impl Default for PublisherSettings {
    fn default() -> Self {
        Self { lanes: 2, round: 256, timeout: Duration::from_secs(30) }
    }
}

/// A message on its way to an exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// The exchange; [`crate::names::DEFAULT_EXCHANGE`] to name a queue by the routing key.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// The properties.
    pub properties: BasicProperties,
    /// The body.
    pub body: Bytes,
}

/// Publishes over one connection. Every message is `mandatory`: one that reaches no queue is an error.
///
/// Cheap to clone; the lanes end when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Publisher {
    requests: mpsc::Sender<Request>,
}

/// A publication, and who waits for its answer.
#[derive(Debug)]
struct Request {
    publication: Arc<Publication>,
    answer: oneshot::Sender<Result<(), PublishError>>,
}

impl Publisher {
    /// Opens the lanes' channels on `connection` and starts the lanes on the current tokio runtime.
    ///
    /// # Errors
    /// If the connection is gone or has no channels left.
    pub async fn new(connection: Arc<Connection>, settings: &PublisherSettings) -> Result<Self, PublishError> {
        let lanes = settings.lanes.max(1);
        // Publishers wait in `publish` when this is full: what RabbitMQ does not take is not piled up here.
        let (requests, waiting) = mpsc::channel(settings.round.max(1));
        let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
        for _ in 0..lanes {
            let lane = lane::Lane::open(Arc::clone(&connection), settings.clone()).await?;
            tokio::spawn(lane.run(Arc::clone(&waiting)));
        }
        Ok(Self { requests })
    }

    /// Publishes, and returns when RabbitMQ has confirmed that a queue has the message. Many calls at once share their
    /// round trips. When the caller gives up waiting the message may be published all the same.
    ///
    /// # Errors
    /// See [`PublishError`]; [`PublishError::may_pass`] says whether to try again.
    pub async fn publish(&self, publication: Publication) -> Result<(), PublishError> {
        self.publish_shared(Arc::new(publication)).await
    }

    /// The same for a message that the caller keeps, to publish it again.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_shared(&self, publication: Arc<Publication>) -> Result<(), PublishError> {
        error::check(&publication)?;
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request { publication, answer }).await.map_err(|_| PublishError::gone())?;
        answered.await.map_err(|_| PublishError::gone())?
    }

    /// Publishes a task to `task.exchange` with the routing key that it holds.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_task(&self, task: &TaskRequest) -> Result<(), PublishError> {
        let encoded = task.encode();
        self.publish(Publication {
            exchange: TASK_EXCHANGE.to_owned(),
            routing_key: task.routing_key.clone(),
            properties: encoded.properties,
            body: encoded.body,
        })
        .await
    }

    /// Publishes an event to `event.exchange` with the routing key that it holds.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), and if its headers don't fit into AMQP.
    pub async fn publish_event(&self, event: &EventMessage) -> Result<(), PublishError> {
        let encoded = event.encode()?;
        self.publish(Publication {
            exchange: EVENT_EXCHANGE.to_owned(),
            routing_key: event.routing_key.clone(),
            properties: encoded.properties,
            body: encoded.body,
        })
        .await
    }
}
