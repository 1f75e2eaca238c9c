//! Why a message was not published.

use std::time::Duration;

use lapin::types::ShortString;
use serde::Serialize;

use super::Publication;
use crate::{
    message::{HeaderError, JsonText, NotUniqueFor, ShortText, ShortTextError, header_frame_size},
    names::TaskNameError,
};

/// Why a message was not published, or may not have been.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// RabbitMQ refuses to keep it (a queue that is full and rejects).
    #[error("RabbitMQ refuses the message for {exchange:?} with key {routing_key:?}: a queue is full")]
    Nacked {
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// No queue gets it. RabbitMQ has dropped it.
    #[error(
        "no queue is bound to exchange {exchange:?} for key {routing_key:?}: RabbitMQ dropped the message; start who \
         consumes it once, so that its queue exists"
    )]
    Unroutable {
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// No answer in time. The message may be published all the same.
    #[error("RabbitMQ did not confirm the message within {}s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// RabbitMQ closed the channel because of this message (no such exchange, no permission, too large), or would close the
    /// connection (headers that don't fit into a frame).
    #[error("RabbitMQ refuses to take the message: {0}")]
    Refused(String),
    /// The connection is gone. The message may be published all the same.
    #[error("the connection to RabbitMQ is gone: {0}")]
    Disconnected(String),
    /// A name is longer than AMQP allows.
    #[error("{what} has {length} bytes, AMQP allows 255")]
    NameTooLong {
        /// What is too long.
        what: &'static str,
        /// Its bytes.
        length: usize,
    },
    /// The headers don't fit into AMQP.
    #[error(transparent)]
    Headers(#[from] HeaderError),
    /// A task's name is none.
    #[error(transparent)]
    TaskName(#[from] TaskNameError),
    /// A text that identifies something is none.
    #[error("{what} {reason}")]
    Text {
        /// What it is about.
        what: &'static str,
        /// What is wrong with it.
        reason: ShortTextError,
    },
    /// The payload can't be written as JSON, or not as the JSON that it has to be.
    #[error("the payload can't be published: {0}")]
    Payload(String),
    /// A task can't be delayed so.
    #[error("the delay of the task can't be kept: {0}")]
    Delay(String),
    /// A task can't be the only one of its kind for so long.
    #[error("the time for which the task is to be the only one of its kind {0}")]
    UniqueFor(#[from] NotUniqueFor),
    /// A call got no reply in time. If the task was published, it goes on.
    #[error("no reply to the call within {}s; the task may go on, its result goes nowhere", after.as_secs_f32())]
    NoReply {
        /// How long was waited.
        after: Duration,
    },
}

impl PublishError {
    /// Whether the same message may be published at another time.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Nacked { .. }
            | Self::Unroutable { .. }
            | Self::TimedOut(_)
            | Self::Disconnected(_)
            | Self::NoReply { .. } => true,
            Self::Refused(_)
            | Self::NameTooLong { .. }
            | Self::Headers(_)
            | Self::TaskName(_)
            | Self::Text { .. }
            | Self::Payload(_)
            | Self::Delay(_)
            | Self::UniqueFor(_) => false,
        }
    }

    pub(crate) fn gone() -> Self {
        Self::Disconnected("it was closed".to_owned())
    }

    pub(super) fn nacked(publication: &Publication) -> Self {
        let Publication { exchange, routing_key, .. } = publication.clone();
        Self::Nacked { exchange, routing_key }
    }

    pub(super) fn unroutable(publication: &Publication) -> Self {
        let Publication { exchange, routing_key, .. } = publication.clone();
        Self::Unroutable { exchange, routing_key }
    }
}

/// What lapin would panic at, and what RabbitMQ would end the connection for, with all that is on its way there.
pub(super) fn check(publication: &Publication, max_frame: usize) -> Result<(), PublishError> {
    for (what, name) in [("the exchange's name", &publication.exchange), ("the routing key", &publication.routing_key)]
    {
        if name.len() > 255 {
            return Err(PublishError::NameTooLong { what, length: name.len() });
        }
    }
    let bytes = header_frame_size(&publication.properties);
    if bytes > max_frame {
        let reason =
            format!("its headers and properties need {bytes} bytes, a frame of this connection has {max_frame}");
        return Err(PublishError::Refused(reason));
    }
    Ok(())
}

/// A name as AMQP takes it.
pub(crate) fn short_name(what: &'static str, name: &str) -> Result<ShortString, PublishError> {
    ShortString::try_new(name).map_err(|_| PublishError::NameTooLong { what, length: name.len() })
}

/// A value as the JSON of a message.
pub(super) fn payload<T: Serialize + ?Sized>(value: &T) -> Result<JsonText, PublishError> {
    JsonText::of(value).map_err(|error| PublishError::Payload(format!("it {error}")))
}

/// A text that identifies something.
pub(super) fn text(what: &'static str, text: impl AsRef<str>) -> Result<ShortText, PublishError> {
    ShortText::new(text).map_err(|reason| PublishError::Text { what, reason })
}

/// The connection is gone, or the channel with it.
pub(crate) fn disconnected(error: lapin::Error) -> PublishError {
    PublishError::Disconnected(error.to_string())
}
