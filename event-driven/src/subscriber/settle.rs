//! From what a handler returned to what becomes of the delivery.

use super::{Delivery, HandlerError};
use crate::client::Settlement;

/// Decides, and logs what went wrong. `retries` is how many may follow the first attempt.
pub(super) fn failed(delivery: &Delivery, error: &HandlerError, retries: u32) -> Settlement {
    let (queue, attempt) = (&*delivery.queue, delivery.headers.attempt);
    let correlation_id = delivery.headers.correlation_id.as_str();
    match error {
        // Who published it and who reads it should talk.
        HandlerError::Model(_) => {
            tracing::warn!(queue, correlation_id, "a message of {queue} does not fit, and is dropped: {error}");
            Settlement::Ack
        }
        HandlerError::Business(_) => {
            tracing::info!(queue, correlation_id, "a message of {queue} was refused: {error}");
            Settlement::Ack
        }
        HandlerError::Technical(_) if attempt.number() < retries => {
            let attempt = attempt.next();
            tracing::info!(queue, correlation_id, "a message of {queue} failed, attempt {attempt} follows: {error}");
            Settlement::Retry { attempt, error: error.to_string() }
        }
        HandlerError::Technical(_) => {
            tracing::warn!(queue, correlation_id, "a message of {queue} is dead after attempt {attempt}: {error}");
            Settlement::DeadLetter { error: error.to_string() }
        }
    }
}

/// A message that breaks the contract, and so can't be handled by anybody.
pub(super) fn malformed(queue: &str, reason: &impl std::fmt::Display) -> Settlement {
    tracing::info!(queue, "a message of {queue} breaks the contract: {reason}");
    Settlement::DeadLetter { error: format!("malformed: {reason}") }
}
