//! What a message looks like: its payload, and what stands beside it by the wire contract.
//!
//! AsyncAPI knows headers only, so the properties of AMQP stand among them and are told apart by their descriptions.

use serde_json::{Map, Value, json};

use crate::{
    message::{ID_HEADER, STATUS_HEADER},
    names::header,
};

// No type's schema has a name with a dash.
const EVENT_HEADERS: &str = "event-headers";
const TASK_HEADERS: &str = "task-headers";

const CORRELATION_ID: &str = "$message.header#/correlation_id";

/// An event whose payload is this.
pub(super) fn event(title: &str, payload: Value) -> Value {
    message(title, &reference(EVENT_HEADERS), payload)
}

/// A notification: an object with its name and what is told beside that.
pub(super) fn notification(event_name: &str, told: Value) -> Value {
    let name = json!({
        "type": "object",
        "properties": { "event_name": { "const": event_name, "description": "what happened" } },
        "required": ["event_name"],
    });
    message(event_name, &reference(EVENT_HEADERS), json!({ "allOf": [name, told] }))
}

/// A task whose payload is this.
pub(super) fn task(payload: Value) -> Value {
    let name = json!({ "type": "string", "description": "what the task is called", "minLength": 1, "maxLength": 64 });
    let body = json!({
        "type": "object",
        "properties": { "task_name": name, "payload": payload },
        "required": ["task_name", "payload"],
    });
    message("a task", &reference(TASK_HEADERS), body)
}

/// The reply to a task that completed.
pub(super) fn completed(result: Value) -> Value {
    message("the result", &reply_headers("COMPLETED"), result)
}

/// The reply to a task that failed for good.
pub(super) fn failed() -> Value {
    let error = text("the class of the error, a colon, and what went wrong");
    let body = json!({ "type": "object", "properties": { "error": error }, "required": ["error"] });
    message("the error", &reply_headers("FAILED"), body)
}

/// The name and the schema of the headers that an event has.
pub(super) fn event_headers() -> (String, Value) {
    let own = [
        ("app_id", text("property of AMQP: who published it")),
        (header::CORRELATION_ID, text("property of AMQP: what it belongs to")),
    ];
    (EVENT_HEADERS.to_owned(), headers(own, []))
}

/// The name and the schema of the headers that a task has.
pub(super) fn task_headers() -> (String, Value) {
    let own = [
        (header::PRODUCER_APP, text("who published it; the property app_id means the same")),
        (header::CORRELATION_ID, text("what it and its result belong to; the property of this name means the same")),
    ];
    (TASK_HEADERS.to_owned(), headers(own, [("reply_to", text("property of AMQP: the queue for the result"))]))
}

/// Those that are required, those that are not, and what events and tasks have both.
fn headers<const N: usize>(required: [(&str, Value); 2], optional: [(&str, Value); N]) -> Value {
    let names: Vec<_> = required.iter().map(|(name, _)| (*name).to_owned()).collect();
    let attempt = json!({ "type": "integer", "minimum": 0, "description": "the attempt that this is, counted from 0" });
    let both = [
        ("message_id", text("property of AMQP: identifies it together with who published it")),
        (header::ATTEMPT, attempt),
        (header::TRACEPARENT, text("W3C trace context: the parent span")),
        (header::TRACESTATE, text("W3C trace context: what vendors add to it")),
    ];
    let all = required.into_iter().chain(optional).chain(both);
    let properties: Map<_, _> = all.map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({ "type": "object", "properties": properties, "required": names })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn reply_headers(status: &str) -> Value {
    json!({
        "type": "object",
        "properties": {
            "correlation_id": text("property of AMQP: that of the task"),
            STATUS_HEADER: { "const": status, "description": "how the task ended" },
            ID_HEADER: text("the id of the task, if it has one"),
        },
        "required": ["correlation_id", STATUS_HEADER],
    })
}

fn message(title: &str, headers: &Value, payload: Value) -> Value {
    json!({
        "title": title,
        "contentType": "application/json",
        "headers": headers,
        "correlationId": { "location": CORRELATION_ID },
        "payload": payload,
    })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}
