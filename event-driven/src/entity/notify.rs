//! What `#[on_notify("…")]` publishes: the value that a method returned, with the name of the notification.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::EventObject;
use crate::{
    names::EventType,
    publisher::{EventDraft, PublishError, Publisher},
};

const EVENT_NAME: &str = "event_name";

/// The payload of a notify event: what `#[on_notify("…")]` publishes, and what a subscriber to notify events gets. A value
/// that is no object in JSON stands in a member `value`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notify<T> {
    /// Which of the entity's notifications this is.
    pub event_name: String,
    /// The rest of the object.
    #[serde(flatten)]
    pub payload: T,
}

/// The notify event of the entity `E` with this payload, ready to be published. What `#[on_notify]` calls.
///
/// # Errors
/// If the value can't be written as JSON, or has an `event_name` of its own.
pub fn notification<'p, E: EventObject, T: Serialize + ?Sized>(
    publisher: &'p Publisher,
    event_name: &str,
    value: &T,
) -> Result<EventDraft<&'p Publisher>, PublishError> {
    let payload = named(event_name, value)?;
    Ok(publisher.event_of(&E::event_key(EventType::Notify), &payload))
}

fn named<T: Serialize + ?Sized>(event_name: &str, value: &T) -> Result<Map<String, Value>, PublishError> {
    let value = serde_json::to_value(value).map_err(|error| PublishError::Payload(error.to_string()))?;
    let mut named = Map::from_iter([(EVENT_NAME.to_owned(), event_name.into())]);
    match value {
        Value::Object(members) if members.contains_key(EVENT_NAME) => {
            let reason = format!(
                "the value of the notification {event_name:?} has a member {EVENT_NAME:?}, which is where the name of the \
                 notification stands: give the member another name"
            );
            return Err(PublishError::Payload(reason));
        }
        Value::Object(members) => named.extend(members),
        value => named.extend([("value".to_owned(), value)]),
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_name_stands_in_the_values_object() {
        for (value, payload) in [
            (json!({ "a": 1 }), json!({ "event_name": "n", "a": 1 })),
            (json!([1]), json!({ "event_name": "n", "value": [1] })),
            (json!(null), json!({ "event_name": "n", "value": null })),
        ] {
            assert_eq!(Value::Object(named("n", &value).unwrap()), payload);
        }
        let error = named("n", &json!({ "event_name": "own" })).unwrap_err();
        assert!(error.to_string().contains("give the member another name"), "{error}");
    }
}
