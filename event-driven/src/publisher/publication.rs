//! A message on its way to an exchange.

use bytes::Bytes;
use lapin::BasicProperties;

use crate::{
    message::{EventMessage, HeaderError, TaskRequest},
    names::{EVENT_EXCHANGE, TASK_EXCHANGE},
};

/// A message on its way to an exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// The exchange; [`DEFAULT_EXCHANGE`](crate::names::DEFAULT_EXCHANGE) to name a queue by the routing key.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// Whether it is an error if no queue gets it. If not, RabbitMQ drops it and confirms.
    pub mandatory: bool,
    /// The properties.
    pub properties: BasicProperties,
    /// The body.
    pub body: Bytes,
}

impl Publication {
    /// A message that a queue must get.
    pub fn new(exchange: &str, routing_key: &str, properties: BasicProperties, body: Bytes) -> Self {
        Self { exchange: exchange.to_owned(), routing_key: routing_key.to_owned(), mandatory: true, properties, body }
    }

    /// A task on its way to `task.exchange`, by the key that it holds.
    pub fn of_task(task: &TaskRequest) -> Self {
        let encoded = task.encode();
        Self::new(TASK_EXCHANGE, &task.routing_key, encoded.properties, encoded.body)
    }

    /// An event on its way to `event.exchange`, by the key that it holds.
    ///
    /// # Errors
    /// If its headers don't fit into AMQP.
    pub fn of_event(event: &EventMessage) -> Result<Self, HeaderError> {
        let encoded = event.encode()?;
        Ok(Self::new(EVENT_EXCHANGE, &event.routing_key, encoded.properties, encoded.body))
    }
}
