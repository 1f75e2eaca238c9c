//! Publishes events and tasks, and returns when RabbitMQ has confirmed them.
//!
//! [`Publisher`] is what a service uses: it waits for a lost connection to come back and publishes again what was not
//! confirmed. Below it, a [`ConnectionPublisher`] does the work on one connection.
//!
//! Promise: what was published with `Ok` is in a queue. At least once: a connection that is lost before the answer leaves
//! it open whether the message arrived, so it goes out again. Events and tasks have a `message_id`, the same each time.

mod call;
mod connection;
mod delay;
mod error;
mod event;
mod judgement;
mod lane;
mod publication;
mod round;
mod task;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

pub use connection::ConnectionPublisher;
pub use delay::MAX_DELAY;
pub use error::PublishError;
pub(crate) use error::{disconnected, short_name};
pub use event::EventDraft;
#[cfg(feature = "axum")]
pub(crate) use event::{event_payload, new_id};
pub use publication::Publication;
pub use task::TaskDraft;

use self::call::Calls;
use crate::{
    client::{Client, deadline_after},
    entity::Event,
    message::{Outcome, ShortText},
    names::{EventKey, Service},
};

/// How to publish.
#[derive(Debug, Clone)]
pub struct PublisherSettings {
    /// Channels; while one waits for its answers, another sends.
    pub lanes: usize,
    /// Most messages of one round on one lane.
    pub round: usize,
    /// How long RabbitMQ may take to confirm a message. It takes long when it is short of memory or disk. What it does not
    /// confirm soon holds up nothing else.
    pub timeout: Duration,
    /// How long a message is tried to be published, over lost connections too, once there is room for it.
    pub patience: Duration,
    /// Most messages that are on their way at once. Who publishes more waits, and publishes when there is room.
    pub buffer: usize,
    /// Whether it is an error to publish an event that no queue gets. Where warren runs, its event store gets every event.
    pub mandatory_events: bool,
}

impl Default for PublisherSettings {
    fn default() -> Self {
        Self {
            // Measured with `examples/rates.rs` on two cores: 4 give a fifth more than 2.
            lanes: 4,
            round: 256,
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(30),
            buffer: 4096,
            mandatory_events: true,
        }
    }
}

/// The pause before a message goes out again on the next connection: the last one may not be known for dead yet.
const AGAIN: Duration = Duration::from_millis(20);

/// Publishes what a service has to tell and to ask. Cheap to clone; all clones share their room and their connections.
#[derive(Debug, Clone)]
pub struct Publisher {
    client: Client,
    producer: ShortText,
    room: Arc<Semaphore>,
    calls: Arc<Calls>,
    #[cfg(feature = "outbox")]
    written: crate::outbox::Written,
}

impl Publisher {
    /// Publishes over the connections of `client`, in the name of its service.
    pub fn new(client: &Client) -> Self {
        let settings = client.settings();
        Self {
            producer: producer(&settings.service),
            room: Arc::new(Semaphore::new(settings.publisher.buffer.clamp(1, Semaphore::MAX_PERMITS))),
            calls: Arc::default(),
            #[cfg(feature = "outbox")]
            written: Arc::default(),
            client: client.clone(),
        }
    }

    /// Publishes, and returns when RabbitMQ has confirmed the message. Waits while the buffer is full, and while the
    /// connection is being made again. Many calls at once share their round trips.
    ///
    /// # Errors
    /// See [`PublishError`]; [`PublishError::may_pass`] says whether to try again. After `TimedOut` and `Disconnected`
    /// the message may be in its queue all the same.
    pub async fn publish(&self, publication: Publication) -> Result<(), PublishError> {
        // It is never closed. Those who have room end within their patience, so this ends, too.
        let _room = self.room.acquire().await;
        let patience = self.client.settings().publisher.patience;
        let deadline = deadline_after(patience);
        let publication = Arc::new(publication);
        loop {
            let connection = self.client.publisher_by(deadline).await?;
            let published = timeout_at(deadline, connection.publish_shared(Arc::clone(&publication))).await;
            match published.unwrap_or(Err(PublishError::TimedOut(patience))) {
                Err(PublishError::Disconnected(_) | PublishError::TimedOut(_)) if Instant::now() + AGAIN < deadline => {
                    tokio::time::sleep(AGAIN).await;
                }
                result => return result,
            }
        }
    }

    /// Publishes all of `publications` at once, and gives a result for each, in their order. They may reach a queue in
    /// another one.
    pub async fn publish_all(
        &self,
        publications: impl IntoIterator<Item = Publication>,
    ) -> Vec<Result<(), PublishError>> {
        join_all(publications.into_iter().map(|publication| self.publish(publication))).await
    }

    /// Publishes a task and waits for how it ends. A task whose caller gives up goes on.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), and [`PublishError::NoReply`] if the outcome does not come in time or the connection
    /// is lost meanwhile: then the task may go on, and its result goes nowhere.
    pub async fn call(&self, task: Publication, timeout: Duration) -> Result<Outcome, PublishError> {
        self.calls.call(&self.client, task, timeout).await
    }

    /// An event, to be published by awaiting it.
    ///
    /// ```no_run
    /// # use event_driven::{entity::Event, publisher::{Publisher, PublishError}};
    /// # async fn example(publisher: &Publisher, created: &impl Event) -> Result<(), PublishError> {
    /// publisher.event(created).correlation_id("order-17").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn event<E: Event>(&self, event: &E) -> EventDraft<&Self> {
        EventDraft::new(self, self.producer.clone(), &E::key(), event).of_entity(event.entity_key())
    }

    /// Any value as an event of this kind, to be published by awaiting it. It has to be an object in JSON.
    pub fn event_of<T: Serialize + ?Sized>(&self, key: &EventKey, payload: &T) -> EventDraft<&Self> {
        EventDraft::new(self, self.producer.clone(), key, payload)
    }

    /// The same for a payload that was written already.
    #[cfg(feature = "axum")]
    pub(crate) fn event_of_json(&self, key: &EventKey, payload: crate::message::JsonText) -> EventDraft<&Self> {
        EventDraft::of_json(self, self.producer.clone(), key, Ok(payload))
    }

    /// A task for the component or the service that has this name, to be published by awaiting it, or called.
    ///
    /// ```no_run
    /// # use event_driven::publisher::{Publisher, PublishError};
    /// # async fn example(publisher: &Publisher) -> Result<(), PublishError> {
    /// publisher.task("resize_image", &serde_json::json!({ "width": 120 })).message_id("image-17").await?;
    /// let outcome = publisher.task("resize_image", &serde_json::json!({ "width": 120 })).call().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn task<T: Serialize + ?Sized>(&self, name: &str, payload: &T) -> TaskDraft<'_> {
        TaskDraft::new(self, self.producer.clone(), name, payload)
    }

    /// The client over whose connections this publishes.
    pub fn client(&self) -> &Client {
        &self.client
    }

    #[cfg(feature = "outbox")]
    pub(crate) fn producer(&self) -> &ShortText {
        &self.producer
    }

    /// Told of each event that is written to an outbox that can't tell of it itself.
    #[cfg(feature = "outbox")]
    pub(crate) fn written(&self) -> &crate::outbox::Written {
        &self.written
    }
}

/// A service's name as a producer's.
pub(crate) fn producer(service: &Service) -> ShortText {
    ShortText::new(service.as_str()).expect("a service's name has 1 to 64 characters")
}
