//! What is wrong with a message, and what could be told of it all the same.

use lapin::types::AMQPType;

use super::{JsonText, JsonTextError, ShortText, ShortTextError};
use crate::names::TaskNameError;

/// Why a message breaks the contract. Nothing here passes by itself: the same message is as wrong the next time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body is larger than allowed.
    #[error("the body has {size} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Bytes of the body.
        size: usize,
        /// The limit that was given.
        limit: usize,
    },
    /// The body is no text.
    #[error("the body is not UTF-8: the byte at position {position} is wrong")]
    NotUtf8 {
        /// How many bytes are right.
        position: usize,
    },
    /// The body is no JSON, or nests too deep.
    #[error("the body {0}")]
    Json(#[from] JsonTextError),
    /// The body is JSON, but not an object, or one of its members has the wrong type or stands twice.
    #[error("the body is not of the form {expected}: {reason}")]
    Form {
        /// What was expected.
        expected: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// A required thing is not there.
    #[error("{what} is missing: looked in {places}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// Where it may stand.
        places: &'static str,
    },
    /// Something has a type that it can't have.
    #[error("{what} must be {expected}, not of AMQP type {found}")]
    WrongType {
        /// What it is about.
        what: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: AMQPType,
    },
    /// A text that identifies something is none.
    #[error("{what} {reason}")]
    BadText {
        /// What it is about.
        what: &'static str,
        /// What is wrong with it.
        reason: ShortTextError,
    },
    /// The attempt is no attempt.
    #[error("header x-attempt must be a whole number from 0 to 4294967295, not {found}")]
    BadAttempt {
        /// What stands there.
        found: String,
    },
    /// A header that asks for something says what can't be.
    #[error("header {name} {reason}")]
    BadHeader {
        /// The header.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The name of the task is none.
    #[error("task_name is wrong: {0}")]
    TaskName(#[from] TaskNameError),
    /// Both spellings of the payload are there.
    #[error("the body has both payload and arguments: exactly one is expected")]
    PayloadTwice,
}

/// A message that breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// The first thing that is wrong.
    #[source]
    pub reason: DecodeError,
    /// What could be told.
    pub partial: Box<Partial>,
}

/// What could be told of a message that breaks the contract. Nothing here was checked further than its type says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partial {
    /// The task's name as it stands in the body, right or not; tasks only.
    pub task_name: Option<ShortText>,
    /// Who published it.
    pub producer_app: Option<ShortText>,
    /// Its correlation id.
    pub correlation_id: Option<ShortText>,
    /// Its message id.
    pub message_id: Option<ShortText>,
    /// The payload; the whole body if that is JSON without one.
    pub payload: Option<JsonText>,
}
