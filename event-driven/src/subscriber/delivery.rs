//! What a handler is told of the message that it handles.

use std::sync::Arc;

use lapin::BasicProperties;

use crate::{message::MessageHeaders, names::TaskName};

/// What a handler is told of the message that it handles, beside its payload.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The queue that it came from.
    pub queue: Arc<str>,
    /// The key with which it was published first, even if it has been tried before.
    pub routing_key: String,
    /// Who sent it, what it belongs to, which attempt this is.
    pub headers: MessageHeaders,
    /// Everything that AMQP says of it.
    pub properties: BasicProperties,
    /// What the task is called; `None` of an event.
    pub task_name: Option<TaskName>,
    /// Whether it was delivered before and not settled, perhaps to a process that died of it.
    pub redelivered: bool,
}

impl Delivery {
    /// The span in which the handler runs: what is published inside it belongs to the same correlation id.
    pub(super) fn span(&self) -> tracing::Span {
        let headers = &self.headers;
        // Of the highest level, so that no filter of a log takes the correlation id from what is published.
        let span = tracing::error_span!(
            "handle",
            queue = &*self.queue,
            correlation_id = headers.correlation_id.as_str(),
            producer_app = headers.producer_app.as_str(),
            message_id = tracing::field::Empty,
            attempt = headers.attempt.number(),
            traceparent = tracing::field::Empty,
            tracestate = tracing::field::Empty,
        );
        if let Some(id) = &headers.message_id {
            span.record("message_id", id.as_str());
        }
        for (name, value) in [("traceparent", &headers.traceparent), ("tracestate", &headers.tracestate)] {
            if let Some(value) = value {
                span.record(name, value.as_str());
            }
        }
        span
    }
}
