//! An event that is about to be published: what can be said of it, and how it becomes a message.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Publication, PublishError, Publisher, error};
use crate::{
    message::{EventMessage, JsonText, ShortText},
    names::{Attempt, EventKey, header},
    trace,
};

/// An event to publish; nothing happens until it is awaited. `To` is where it goes: a [`Publisher`], or a transaction.
///
/// Without a word about it, the correlation id and the trace context are those of the current [`tracing`] span if
/// [`trace::layer`] is installed, else the correlation id is new; the message id is new, and the same however often the
/// message has to be sent.
#[derive(Debug)]
#[must_use = "an event is published when it is awaited"]
pub struct EventDraft<To> {
    pub(crate) to: To,
    pub(crate) entity_key: Option<String>,
    message: Result<EventMessage, PublishError>,
}

impl<To> EventDraft<To> {
    pub(crate) fn new<T: Serialize + ?Sized>(to: To, producer_app: ShortText, key: &EventKey, payload: &T) -> Self {
        Self::of_json(to, producer_app, key, event_payload(payload))
    }

    /// The same for a payload that was written already.
    pub(crate) fn of_json(
        to: To,
        producer_app: ShortText,
        key: &EventKey,
        payload: Result<JsonText, PublishError>,
    ) -> Self {
        let message = payload.map(|payload| {
            let context = trace::current();
            let mut headers = Map::new();
            headers.insert(header::ATTEMPT.to_owned(), Attempt::FIRST.number().into());
            for (name, value) in [(header::TRACEPARENT, context.traceparent), (header::TRACESTATE, context.tracestate)]
            {
                headers.extend(value.map(|value| (name.to_owned(), value.into())));
            }
            EventMessage {
                routing_key: key.routing_key(),
                producer_app,
                correlation_id: context.correlation_id.unwrap_or_else(new_id),
                message_id: Some(new_id()),
                headers,
                payload,
            }
        });
        Self { to, entity_key: None, message }
    }

    pub(crate) fn of_entity(mut self, key: Option<String>) -> Self {
        self.entity_key = key;
        self
    }

    /// What the event belongs to: 1 to 255 bytes.
    pub fn correlation_id(self, id: impl AsRef<str>) -> Self {
        self.with(|message| {
            message.correlation_id = error::text("the correlation id", id)?;
            Ok(())
        })
    }

    /// Identifies the event together with its producer, so that whoever gets it twice can tell: 1 to 255 bytes.
    pub fn message_id(self, id: impl AsRef<str>) -> Self {
        self.with(|message| {
            message.message_id = Some(error::text("the message id", id)?);
            Ok(())
        })
    }

    /// A header of the message. A later one of the same name takes the place of an earlier one.
    pub fn header(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|message| {
            message.headers.insert(name.into(), value.into());
            Ok(())
        })
    }

    /// The message, without publishing it.
    ///
    /// # Errors
    /// If the payload is no JSON object, or something said of it does not fit into a message.
    pub fn into_message(self) -> Result<EventMessage, PublishError> {
        self.message
    }

    fn with(mut self, change: impl FnOnce(&mut EventMessage) -> Result<(), PublishError>) -> Self {
        self.message = self.message.and_then(|mut message| change(&mut message).map(|()| message));
        self
    }
}

impl<'p> IntoFuture for EventDraft<&'p Publisher> {
    type Output = Result<(), PublishError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'p>>;

    fn into_future(self) -> Self::IntoFuture {
        let publisher = self.to;
        Box::pin(async move {
            let mut publication = Publication::of_event(&self.message?)?;
            publication.mandatory = publisher.client.settings().publisher.mandatory_events;
            publisher.publish(publication).await
        })
    }
}

/// Ids that sort by time.
pub(crate) fn new_id() -> ShortText {
    ShortText::new(Uuid::now_v7().to_string()).expect("a UUID is short")
}

/// A value as the payload of an event, which has to be an object.
pub(crate) fn event_payload<T: Serialize + ?Sized>(payload: &T) -> Result<JsonText, PublishError> {
    let payload = error::payload(payload)?;
    if payload.is_object() { Ok(payload) } else { Err(PublishError::Payload("it is no object".to_owned())) }
}
