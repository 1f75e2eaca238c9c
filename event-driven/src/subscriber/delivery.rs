//! What a handler is told of the message that it handles.

use std::sync::Arc;

use lapin::BasicProperties;

use crate::{
    message::{MessageHeaders, ShortText},
    names::TaskName,
    trace::TraceContext,
};

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
    /// What is published while it is handled belongs to this.
    pub(super) fn trace(&self) -> TraceContext {
        TraceContext {
            correlation_id: Some(self.headers.correlation_id.clone()),
            traceparent: self.headers.traceparent.clone(),
            tracestate: self.headers.tracestate.clone(),
        }
    }

    /// The span in which the handler runs, for its log.
    pub(super) fn span(&self) -> tracing::Span {
        let headers = &self.headers;
        tracing::info_span!(
            "handle",
            queue = &*self.queue,
            correlation_id = headers.correlation_id.as_str(),
            producer_app = headers.producer_app.as_str(),
            message_id = headers.message_id.as_ref().map(ShortText::as_str),
            attempt = headers.attempt.number(),
        )
    }
}
