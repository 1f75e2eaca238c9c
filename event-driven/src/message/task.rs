//! A task on the wire: `{"task_name": "resize_image", "payload": {…}}`.

use lapin::BasicProperties;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    DecodeError, Encoded, JsonText, Malformed, MessageHeaders, Partial, ShortText, Start, UniqueFor,
    event::checked_text, priority, properties,
};
use crate::names::{Attempt, Priority, TaskName};

/// One request to run a component, decoded and checked against the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRequest {
    /// The key with which it was published.
    pub routing_key: String,
    /// Which component is to run.
    pub task_name: TaskName,
    /// What it is to run with; any JSON value, `null` included.
    pub payload: JsonText,
    /// Who published it.
    pub producer_app: ShortText,
    /// What it belongs to; the result carries the same.
    pub correlation_id: ShortText,
    /// Identifies it together with the producer, if there is one.
    pub message_id: Option<ShortText>,
    /// The queue for the result, if one is wanted.
    pub reply_to: Option<ShortText>,
    /// Which attempt this is.
    pub attempt: Attempt,
    /// When it is to be executed.
    pub start: Start,
    /// How much of a hurry it is in.
    pub priority: Priority,
    /// For how long no other task like it is to be executed.
    pub unique_for: Option<UniqueFor>,
    /// W3C trace context: the parent span.
    pub traceparent: Option<String>,
    /// W3C trace context: what vendors add to it.
    pub tracestate: Option<String>,
}

const FORM: &str = r#"{"task_name": TEXT, "payload": ANY}"#;

/// The body's members, each as its text. Others are ignored.
#[derive(Default, Deserialize)]
struct Body<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    task_name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    arguments: Option<&'a RawValue>,
}

/// Without this, `"payload": null` would be the same as no payload.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl TaskRequest {
    /// Decodes what was delivered with `routing_key`. `max_size` is the most bytes that a body may have.
    ///
    /// # Errors
    /// If the message breaks the contract. Neither `payload` nor `arguments` is an error, since the contract asks for
    /// one of them; so are both.
    pub fn decode(
        routing_key: &str,
        properties: &BasicProperties,
        body: &[u8],
        max_size: usize,
    ) -> Result<Self, Malformed> {
        Self::read(routing_key, properties, body, max_size)
            .map_err(|reason| Malformed { reason, partial: Box::new(partial(properties, body, max_size)) })
    }

    fn read(
        routing_key: &str,
        properties: &BasicProperties,
        body: &[u8],
        max_size: usize,
    ) -> Result<Self, DecodeError> {
        let (name, payload) = read_body(checked_text(body, max_size)?)?;
        let task_name = TaskName::new(name)?;
        let headers = MessageHeaders::of_task(properties)?;
        let reply_to = properties::optional("reply_to", properties.reply_to().as_ref())?;
        let MessageHeaders { producer_app, correlation_id, message_id, attempt, traceparent, tracestate } = headers;
        Ok(Self {
            routing_key: routing_key.to_owned(),
            task_name,
            payload,
            producer_app,
            correlation_id,
            message_id,
            reply_to,
            attempt,
            start: Start::read(properties)?,
            priority: priority::read(properties)?,
            unique_for: UniqueFor::read(properties)?,
            traceparent,
            tracestate,
        })
    }

    /// The message that says this. Persistent; the producer and the correlation id stand both in headers and in
    /// properties; the timestamp is now.
    pub fn encode(&self) -> Encoded {
        let name = serde_json::Value::from(self.task_name.as_str());
        let body = format!(r#"{{"task_name":{name},"payload":{}}}"#, self.payload);
        let mut properties = self.headers().encode();
        if let Some(queue) = &self.reply_to {
            properties = properties.with_reply_to(queue.to_short_string());
        }
        properties = priority::write(self.priority, self.start.write(properties));
        if let Some(time) = self.unique_for {
            properties = time.write(properties);
        }
        Encoded { properties, body: body.into() }
    }

    /// What it says of itself beside its payload.
    pub fn headers(&self) -> MessageHeaders {
        MessageHeaders {
            producer_app: self.producer_app.clone(),
            correlation_id: self.correlation_id.clone(),
            message_id: self.message_id.clone(),
            attempt: self.attempt,
            traceparent: self.traceparent.clone(),
            tracestate: self.tracestate.clone(),
        }
    }
}

fn message_id(properties: &BasicProperties) -> Result<Option<ShortText>, DecodeError> {
    properties::optional("message_id", properties.message_id().as_ref())
}

/// The task's name, not checked yet, and its payload.
fn read_body(text: &str) -> Result<(String, JsonText), DecodeError> {
    let members = Body::read(text)?;
    let name = members.task_name().ok_or(DecodeError::Missing { what: "task_name", places: "the body" })?;
    let name = name.map_err(|_| DecodeError::Form { expected: FORM, reason: "task_name is no text".to_owned() })?;
    if members.payload.is_some() && members.arguments.is_some() {
        return Err(DecodeError::PayloadTwice);
    }
    let payload = members
        .payload()
        .ok_or(DecodeError::Missing { what: "payload", places: "the body, as payload and as arguments" })?;
    Ok((name, payload))
}

/// What can be told of a message that breaks the contract.
fn partial(properties: &BasicProperties, body: &[u8], max_size: usize) -> Partial {
    let text = checked_text(body, max_size).ok();
    let members = text.and_then(|text| Body::read(text).ok()).unwrap_or_default();
    Partial {
        task_name: members.task_name().and_then(|name| ShortText::new(name.ok()?).ok()),
        producer_app: properties::producer_app(properties).ok(),
        correlation_id: properties::correlation_id(properties).ok(),
        message_id: message_id(properties).ok().flatten(),
        payload: members.payload().or_else(|| JsonText::new(text?).ok()),
    }
}

impl<'a> Body<'a> {
    /// Of a text that was checked. Serde would take an array for a struct too.
    fn read(text: &'a str) -> Result<Self, DecodeError> {
        let read = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|e| e.to_string())
        } else {
            Err("it is no object".to_owned())
        };
        read.or_else(|reason| {
            // Tells "no JSON" from "JSON of another form".
            JsonText::new(text)?;
            Err(DecodeError::Form { expected: FORM, reason })
        })
    }

    fn task_name(&self) -> Option<serde_json::Result<String>> {
        self.task_name.map(|raw| serde_json::from_str(raw.get()))
    }

    fn payload(&self) -> Option<JsonText> {
        self.payload.or(self.arguments).map(JsonText::from_checked)
    }
}
