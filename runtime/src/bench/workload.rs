//! What the load consists of: one task after the other for one component, and events as large as these.

use chrono::{DateTime, Utc};
use event_driven::{
    message::{EventMessage, JsonText, ShortText, Start, TaskRequest},
    names::{Attempt, Priority, TaskName},
};
use serde_json::Map;
use uuid::Uuid;

use crate::lifecycle::{TaskRow, id_of_message};

/// Who asks for the tasks.
const PRODUCER: &str = "warren-bench";

/// The key of the events.
const EVENT_KEY: &str = "routing.event.create.measurement";

/// The load of a measurement.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The component.
    pub task_name: TaskName,
    /// What it is given.
    pub payload: JsonText,
    /// Whether each message has an id, which costs a look-up and lets no task be executed twice.
    pub with_ids: bool,
    /// The key of the tasks. None: the one that a task has that says nothing.
    pub routing_key: Option<String>,
}

impl Workload {
    /// The task `n`. Its correlation id is `n`, its answer goes to `reply_to`.
    pub fn task(&self, n: u64, reply_to: Option<&ShortText>) -> TaskRequest {
        TaskRequest {
            routing_key: self.key(),
            task_name: self.task_name.clone(),
            payload: self.payload.clone(),
            producer_app: producer(),
            correlation_id: text(&n.to_string()),
            message_id: self.with_ids.then(new_id),
            reply_to: reply_to.cloned(),
            attempt: Attempt::FIRST,
            start: Start::AtOnce,
            priority: Priority::Normal,
            unique_for: None,
            traceparent: None,
            tracestate: None,
        }
    }

    /// The event `n`. A payload that is no object stands in one.
    pub fn event(&self, n: u64) -> EventMessage {
        EventMessage {
            routing_key: EVENT_KEY.to_owned(),
            producer_app: producer(),
            correlation_id: text(&n.to_string()),
            message_id: self.with_ids.then(new_id),
            headers: Map::new(),
            payload: self.event_payload(),
        }
    }

    /// The row of a task that was accepted and is not begun.
    pub(super) fn row(&self, n: u64, now: DateTime<Utc>) -> TaskRow {
        let (producer, message_id) = (producer(), new_id());
        let mut row = TaskRow::new(id_of_message(&producer, &message_id), now);
        row.task_name = Some(self.task_name.shared());
        row.payload = Some(self.payload.shared());
        row.producer_app = Some(producer.shared());
        row.correlation_id = Some(n.to_string().into());
        row.message_id = Some(message_id.shared());
        row.routing_key = Some(self.key().into());
        row
    }

    fn event_payload(&self) -> JsonText {
        if self.payload.is_object() {
            return self.payload.clone();
        }
        // Refused only if it nests as deep as anything may: then an event without it does.
        let object = JsonText::new(&format!(r#"{{"payload":{}}}"#, self.payload));
        object.unwrap_or_else(|_| JsonText::new("{}").expect("it is JSON"))
    }

    fn key(&self) -> String {
        self.routing_key.clone().unwrap_or_else(|| Priority::Normal.default_key(&self.task_name))
    }
}

fn producer() -> ShortText {
    text(PRODUCER)
}

fn new_id() -> ShortText {
    text(&Uuid::now_v7().to_string())
}

fn text(text: &str) -> ShortText {
    ShortText::new(text).expect("a number, a UUID and a name are short")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_keeps_the_contract() {
        let workload = |payload: &str, with_ids| Workload {
            task_name: "echo".parse().unwrap(),
            payload: JsonText::new(payload).unwrap(),
            with_ids,
            routing_key: None,
        };
        let task = workload("[1]", true).task(7, Some(&text("answers")));
        let encoded = task.encode();
        let read = TaskRequest::decode(&task.routing_key, &encoded.properties, &encoded.body, 1_000).unwrap();
        assert_eq!(read, task);
        assert_eq!((read.correlation_id.as_str(), read.routing_key.as_str()), ("7", "routing.task.run.echo"));
        assert_eq!(workload("1", false).task(0, None).message_id, None);
        for (payload, of_event) in [("[1]", r#"{"payload":[1]}"#), (r#"{"a":1}"#, r#"{"a":1}"#)] {
            let event = workload(payload, true).event(0);
            let encoded = event.encode().unwrap();
            EventMessage::decode(&event.routing_key, &encoded.properties, &encoded.body, 1_000).unwrap();
            assert_eq!(event.payload.as_str(), of_event);
        }
        let row = workload("[1]", false).row(1, Utc::now());
        assert!(row.message_id.is_some() && row.correlation_id.as_deref() == Some("1"), "{row:?}");
    }
}
