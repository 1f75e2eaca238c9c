//! A message in memory.

use std::time::Duration;

use bytes::Bytes;
use lapin::BasicProperties;
use tokio::time::Instant;

/// A message that could not be handled.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its place among those of its queue; no other has the same.
    pub number: u64,
    /// The key with which it was published.
    pub routing_key: String,
    /// Its properties, with the header `x-error`.
    pub properties: BasicProperties,
    /// Its body.
    pub body: Bytes,
}

/// A message in a queue.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) routing_key: String,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
    pub(super) redelivered: bool,
    /// By its property `expiration`.
    expires: Option<Instant>,
}

impl Message {
    pub(super) fn new(routing_key: String, properties: BasicProperties, body: Bytes) -> Self {
        let expiration = properties.expiration().as_ref().and_then(|ms| ms.as_str().parse().ok());
        // One that is beyond all clocks is none.
        let expires = expiration.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
        Self { routing_key, properties, body, redelivered: false, expires }
    }

    pub(super) fn is_expired(&self) -> bool {
        self.expires.is_some_and(|at| at <= Instant::now())
    }
}

impl DeadLetter {
    pub(super) fn new(number: u64, Message { routing_key, properties, body, .. }: Message) -> Self {
        Self { number, routing_key, properties, body }
    }
}
