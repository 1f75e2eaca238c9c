//! Whatever is published: it is decoded, or refused with a reason and with what could be told of it; nothing panics, and
//! what was decoded can be published again and reads the same.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/any_message.rs"]
mod any_message;

use any_message::{any_body, any_properties};
use event_driven::{
    lapin::BasicProperties,
    message::{DecodeError, EventMessage, Malformed, ShortText, TaskRequest},
};
use proptest::{prelude::*, strategy::ValueTree};

const LIMIT: usize = 50_000;
const KEY: &str = "routing.x.y.z";

/// A text that could identify something.
fn right(text: Option<&str>) -> Option<ShortText> {
    ShortText::new(text?).ok()
}

/// Whatever is wrong with a message, its id is told if there is a right one.
fn tells_something(malformed: &Malformed, properties: &BasicProperties, body: &[u8]) -> Result<(), TestCaseError> {
    prop_assert!(!malformed.to_string().is_empty());
    let id = right(properties.message_id().as_ref().map(|id| id.as_str()));
    prop_assert_eq!(&malformed.partial.message_id, &id);
    let too_large = matches!(malformed.reason, DecodeError::TooLarge { .. });
    prop_assert_eq!(too_large, body.len() > LIMIT);
    if let Some(payload) = &malformed.partial.payload {
        // What is recorded of it is JSON that everybody can read.
        prop_assert!(
            payload.as_str().len() <= LIMIT && serde_json::from_str::<serde::de::IgnoredAny>(payload.as_str()).is_ok()
        );
    }
    Ok(())
}

fn publish_again(event: &EventMessage) -> EventMessage {
    let encoded = event.encode().unwrap();
    EventMessage::decode(KEY, &encoded.properties, &encoded.body, LIMIT).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_task_is_decoded_or_refused(properties in any_properties(), body in any_body()) {
        match TaskRequest::decode(KEY, &properties, &body, LIMIT) {
            Ok(task) => {
                let again = task.encode();
                prop_assert_eq!(TaskRequest::decode(KEY, &again.properties, &again.body, 2 * LIMIT), Ok(task));
            }
            Err(malformed) => tells_something(&malformed, &properties, &body)?,
        }
    }

    #[test]
    fn an_event_is_decoded_or_refused(properties in any_properties(), body in any_body()) {
        match EventMessage::decode(KEY, &properties, &body, LIMIT) {
            Ok(event) => {
                let again = publish_again(&event);
                // A whole number beyond 63 bits has become a double, as documented: from then on it stays one.
                prop_assert_eq!(&publish_again(&again), &again);
                prop_assert_eq!(EventMessage { headers: again.headers.clone(), ..event }, again);
            }
            Err(malformed) => tells_something(&malformed, &properties, &body)?,
        }
    }
}

/// The strategies are worth something: each way is taken often.
#[test]
fn much_is_decoded_and_much_is_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut tasks, mut events, mut refused) = (0, 0, 0);
    for _ in 0..300 {
        let (properties, body) = (any_properties(), any_body()).new_tree(&mut runner).unwrap().current();
        let task = TaskRequest::decode(KEY, &properties, &body, LIMIT).is_ok();
        let event = EventMessage::decode(KEY, &properties, &body, LIMIT).is_ok();
        (tasks, events, refused) = (tasks + u32::from(task), events + u32::from(event), refused + u32::from(!task));
    }
    assert!(tasks > 15 && events > 15 && refused > 60, "{tasks} tasks, {events} events, {refused} refused");
}
