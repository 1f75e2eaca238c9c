//! What is published, and where to.

use bytes::Bytes;
use event_driven::{
    names::{DEFAULT_EXCHANGE, EVENT_EXCHANGE, Priority, TASK_EXCHANGE},
    publisher::Publication,
};
use lapin::BasicProperties;

pub use event_driven::publisher::PublishError;

/// A message to publish.
#[derive(Debug, Clone)]
pub struct Publish {
    /// Where to.
    pub target: Target,
    /// The properties.
    pub properties: BasicProperties,
    /// The body.
    pub body: Bytes,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To `task.exchange`, by this key.
    Task(String),
    /// Into the queue of the tasks of this class.
    Class(Priority),
    /// To `event.exchange`, by this key.
    Event(String),
    /// Into the queue of this name: a task's `reply_to`.
    Reply(String),
}

impl From<Publish> for Publication {
    fn from(Publish { target, properties, body }: Publish) -> Self {
        let (exchange, routing_key) = match target {
            Target::Task(key) => (TASK_EXCHANGE, key),
            Target::Class(class) => (DEFAULT_EXCHANGE, class.queue().to_owned()),
            Target::Event(key) => (EVENT_EXCHANGE, key),
            Target::Reply(queue) => (DEFAULT_EXCHANGE, queue),
        };
        Self::new(exchange, &routing_key, properties, body)
    }
}
