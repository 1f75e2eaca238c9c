//! What every message says of itself beside its payload: who sent it, what it belongs to, which attempt it is.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use super::{DecodeError, ShortText, properties};
use crate::names::{Attempt, header};

/// What a message says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageHeaders {
    /// Who published it.
    pub producer_app: ShortText,
    /// What it belongs to.
    pub correlation_id: ShortText,
    /// Identifies it together with the producer, if there is one.
    pub message_id: Option<ShortText>,
    /// Which attempt this is; without `x-attempt` the first.
    pub attempt: Attempt,
    /// W3C trace context: the parent span.
    pub traceparent: Option<String>,
    /// W3C trace context: what vendors add to it.
    pub tracestate: Option<String>,
}

impl MessageHeaders {
    /// Of an event: the producer and the correlation id are properties, since its headers are the producer's own.
    ///
    /// # Errors
    /// If a required one is missing or wrong; the error says where it was looked for.
    pub fn of_event(properties: &BasicProperties) -> Result<Self, DecodeError> {
        let producer_app = properties::property("app_id", properties.app_id().as_ref())?;
        let correlation_id = properties::property("correlation_id", properties.correlation_id().as_ref())?;
        Self::with(producer_app, correlation_id, properties)
    }

    /// Of a task: the producer and the correlation id are headers, or the properties that mean the same.
    ///
    /// # Errors
    /// If a required one is missing or wrong; the error says where it was looked for.
    pub fn of_task(properties: &BasicProperties) -> Result<Self, DecodeError> {
        let producer_app = properties::producer_app(properties)?;
        let correlation_id = properties::correlation_id(properties)?;
        Self::with(producer_app, correlation_id, properties)
    }

    fn with(
        producer_app: ShortText,
        correlation_id: ShortText,
        properties: &BasicProperties,
    ) -> Result<Self, DecodeError> {
        Ok(Self {
            producer_app,
            correlation_id,
            message_id: properties::optional("message_id", properties.message_id().as_ref())?,
            attempt: properties::attempt(properties)?,
            traceparent: properties::trace_header(properties, header::TRACEPARENT),
            tracestate: properties::trace_header(properties, header::TRACESTATE),
        })
    }

    /// The properties of a persistent JSON message that says this, in both spellings: the producer and the correlation id
    /// stand in headers and in properties. The timestamp is now.
    pub fn encode(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        let mut set = |name: &str, value: AMQPValue| {
            headers.insert(name.into(), value);
        };
        set(header::PRODUCER_APP, AMQPValue::LongString(self.producer_app.as_str().into()));
        set(header::CORRELATION_ID, AMQPValue::LongString(self.correlation_id.as_str().into()));
        if self.attempt > Attempt::FIRST {
            set(header::ATTEMPT, AMQPValue::LongLongInt(self.attempt.number().into()));
        }
        for (name, value) in [(header::TRACEPARENT, &self.traceparent), (header::TRACESTATE, &self.tracestate)] {
            if let Some(value) = value {
                set(name, AMQPValue::LongString(value.as_str().into()));
            }
        }
        properties::persistent_json(&self.producer_app, &self.correlation_id, self.message_id.as_ref())
            .with_headers(headers)
    }
}
