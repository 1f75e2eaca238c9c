//! Tasks and events: what the contract accepts, what it refuses and how it says so, and that no bytes do harm.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "support/any_message.rs"]
mod any_message;

use std::{collections::BTreeMap, time::Duration};

use any_message::{any_header_name, any_json, any_value};
use event_driven::{
    lapin::{
        BasicProperties,
        types::{AMQPValue, FieldTable},
    },
    message::{
        DecodeError, EventMessage, JsonText, Malformed, MessageHeaders, Outcome, ShortText, Start, TaskRequest,
        UniqueFor, dead_properties, retry_properties,
    },
    names::{Attempt, Priority, TaskName},
};
use proptest::prelude::*;

const LIMIT: usize = 1 << 20;

fn headers(pairs: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in pairs {
        table.insert((*name).into(), value.clone());
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn good_properties() -> BasicProperties {
    BasicProperties::default()
        .with_headers(headers(&[("producer_app", text("shop")), ("correlation_id", text("c1"))]))
        .with_message_id("m1".into())
}

fn decode(properties: &BasicProperties, body: &[u8]) -> Result<TaskRequest, Malformed> {
    TaskRequest::decode("routing.task.process.order", properties, body, LIMIT)
}

#[test]
fn a_task_in_either_spelling() {
    for body in [r#"{"task_name":"t","payload":{"a":1}}"#, r#"{"task_name":"t","arguments":{"a":1}, "more": [1]}"#] {
        let task = decode(&good_properties(), body.as_bytes()).unwrap();
        assert_eq!(task.payload.as_str(), r#"{"a":1}"#);
        assert_eq!((task.producer_app.as_str(), task.correlation_id.as_str()), ("shop", "c1"));
        assert_eq!(task.attempt, Attempt::FIRST);
    }
    let null = decode(&good_properties(), br#"{"task_name":"t","payload":null}"#).unwrap();
    assert_eq!(null.payload, JsonText::null());
}

#[test]
fn properties_take_the_place_of_headers() {
    let properties = BasicProperties::default().with_app_id("shop".into()).with_correlation_id("c2".into());
    let task = decode(&properties, br#"{"task_name":"t","payload":1}"#).unwrap();
    assert_eq!((task.producer_app.as_str(), task.correlation_id.as_str()), ("shop", "c2"));
    let both = good_properties().with_app_id("other".into());
    assert_eq!(decode(&both, br#"{"task_name":"t","payload":1}"#).unwrap().producer_app.as_str(), "shop");
}

#[test]
fn a_broken_task_says_what_is_wrong() {
    let deep = format!(r#"{{"task_name":"t","payload":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for (body, reason) in [
        ("", "the body is not JSON: EOF while parsing a value at line 1 column 0"),
        ("{", "the body is not JSON: EOF while parsing an object at line 1 column 1"),
        ("[\"t\", {}]", r#"the body is not of the form {"task_name": TEXT, "payload": ANY}: it is no object"#),
        (r#"{"payload":1}"#, "task_name is missing: looked in the body"),
        (r#"{"task_name":"t"}"#, "payload is missing: looked in the body, as payload and as arguments"),
        (
            r#"{"task_name":"t","payload":1,"arguments":1}"#,
            "the body has both payload and arguments: exactly one is expected",
        ),
        (
            r#"{"task_name":"t","payload":1,"payload":2}"#,
            r#"the body is not of the form {"task_name": TEXT, "payload": ANY}: duplicate field `payload` at line 1 column 38"#,
        ),
        (
            r#"{"task_name":7,"payload":1}"#,
            r#"the body is not of the form {"task_name": TEXT, "payload": ANY}: task_name is no text"#,
        ),
        (
            r#"{"task_name":"../x","payload":1}"#,
            "task_name is wrong: a task's name consists of a-z A-Z 0-9 _ - . and can't hold '/'",
        ),
        (deep.as_str(), "the body nests arrays and objects deeper than 127"),
    ] {
        let malformed = decode(&good_properties(), body.as_bytes()).unwrap_err();
        assert_eq!(malformed.to_string(), reason);
        assert_eq!(malformed.partial.producer_app.unwrap().as_str(), "shop");
        assert_eq!(malformed.partial.message_id.unwrap().as_str(), "m1");
    }
    let malformed = decode(&good_properties(), b"{\"task_name\":\"t\xff\"}").unwrap_err();
    assert_eq!(malformed.to_string(), "the body is not UTF-8: the byte at position 15 is wrong");
    let malformed = TaskRequest::decode("k", &good_properties(), &[b' '; 11], 10).unwrap_err();
    assert_eq!(malformed.to_string(), "the body has 11 bytes, at most 10 are allowed");
}

#[test]
fn wrong_headers_say_where_was_looked() {
    let body = br#"{"task_name":"t","payload":[1]}"#;
    let c = ("correlation_id", text("c1"));
    for (pairs, reason) in [
        (vec![c.clone()], "producer_app is missing: looked in header producer_app and property app_id"),
        (
            vec![("producer_app", text("")), c.clone()],
            "producer_app is missing: looked in header producer_app and property app_id",
        ),
        (vec![("producer_app", text("a\0")), c.clone()], "producer_app holds the character NUL"),
        (
            vec![("producer_app", text(&"a".repeat(256))), c.clone()],
            "producer_app has 256 bytes, at most 255 are allowed",
        ),
        (
            vec![("producer_app", AMQPValue::Void), c.clone()],
            "producer_app must be a text in UTF-8, not of AMQP type Void",
        ),
        (
            vec![("producer_app", AMQPValue::LongString(vec![0xff].into())), c.clone()],
            "producer_app must be a text in UTF-8, not of AMQP type LongString",
        ),
        (
            vec![("producer_app", text("p"))],
            "correlation_id is missing: looked in header correlation_id and property correlation_id",
        ),
        (
            vec![("producer_app", text("p")), c.clone(), ("x-attempt", AMQPValue::LongInt(-1))],
            "header x-attempt must be a whole number from 0 to 4294967295, not -1",
        ),
        (
            vec![("producer_app", text("p")), c, ("x-attempt", AMQPValue::Double(1.0))],
            "header x-attempt must be a whole number from 0 to 4294967295, not of AMQP type Double",
        ),
    ] {
        let properties = BasicProperties::default().with_headers(headers(&pairs));
        let malformed = decode(&properties, body).unwrap_err();
        assert_eq!(malformed.to_string(), reason);
        assert_eq!(malformed.partial.task_name.unwrap().as_str(), "t");
        assert_eq!(malformed.partial.payload.unwrap().as_str(), "[1]");
    }
}

#[test]
fn every_whole_number_is_an_attempt() {
    for value in [
        AMQPValue::ShortShortInt(2),
        AMQPValue::ShortShortUInt(2),
        AMQPValue::ShortInt(2),
        AMQPValue::ShortUInt(2),
        AMQPValue::LongInt(2),
        AMQPValue::LongUInt(2),
        AMQPValue::LongLongInt(2),
    ] {
        let mut table = headers(&[("x-attempt", value)]);
        table.insert("producer_app".into(), text("p"));
        let properties = BasicProperties::default().with_headers(table).with_correlation_id("c".into());
        assert_eq!(decode(&properties, br#"{"task_name":"t","payload":1}"#).unwrap().attempt, Attempt::new(2));
    }
}

#[test]
fn an_event_is_an_object() {
    // Its headers are its own, even where they have the names of properties.
    let properties = good_properties().with_app_id("billing".into()).with_correlation_id("c-1".into());
    let decode = |body: &[u8]| EventMessage::decode("routing.event.create.user", &properties, body, LIMIT);
    let event = decode(b" {\"id\": 1} ").unwrap();
    assert_eq!(event.payload.as_str(), "{\"id\": 1}");
    assert_eq!(event.headers["producer_app"], "shop");
    assert_eq!((event.producer_app.as_str(), event.correlation_id.as_str()), ("billing", "c-1"));
    let anonymous = EventMessage::decode("k", &good_properties(), b"{}", LIMIT).unwrap_err();
    assert_eq!(anonymous.to_string(), "app_id is missing: looked in the properties");
    let malformed = decode(b"[1]").unwrap_err();
    assert_eq!(malformed.to_string(), "the body is not of the form {…}: the body is JSON, but no object");
    assert_eq!(malformed.partial.payload.unwrap().as_str(), "[1]");
    assert!(matches!(decode(b"\xff").unwrap_err().reason, DecodeError::NotUtf8 { position: 0 }));
}

fn any_text() -> impl Strategy<Value = ShortText> {
    "[^\0]{1,60}".prop_map(|text| ShortText::new(text).unwrap())
}

prop_compose! {
    fn any_task()(
        routing_key in "[a-z.]{0,40}", name in "[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}", payload in any_json(),
        producer_app in any_text(), correlation_id in any_text(), message_id in proptest::option::of(any_text()),
        reply_to in proptest::option::of(any_text()), attempt: u32, delay_ms in proptest::option::of(0..2_592_000_000_u64),
        priority in proptest::sample::select(Priority::ALL.to_vec()),
        unique_ms in proptest::option::of(1..2_592_000_000_u64),
        traceparent in proptest::option::of("[0-9a-f-]{1,55}"), tracestate in proptest::option::of("[a-z=,]{1,512}"),
    ) -> TaskRequest {
        TaskRequest {
            routing_key, task_name: TaskName::new(name).unwrap(), payload: JsonText::from(&payload), producer_app,
            correlation_id, message_id, reply_to, attempt: Attempt::new(attempt), traceparent, tracestate,
            priority, unique_for: unique_ms.map(|ms| UniqueFor::new(Duration::from_millis(ms)).unwrap()),
            start: delay_ms.map_or(Start::AtOnce, |ms| Start::After(Duration::from_millis(ms))),
        }
    }
}

proptest! {
    #[test]
    fn a_task_reads_back(task in any_task()) {
        let encoded = task.encode();
        let decoded = TaskRequest::decode(&task.routing_key, &encoded.properties, &encoded.body, LIMIT);
        prop_assert_eq!(decoded, Ok(task));
    }

    #[test]
    fn an_event_reads_back(task in any_task(), headers in any_json(), payload in any_json()) {
        let headers = headers.as_object().cloned().unwrap_or_default();
        prop_assume!(!headers.contains_key("producer_app") && !headers.contains_key("correlation_id"));
        let payload = serde_json::json!({ "p": payload });
        let event = EventMessage {
            routing_key: task.routing_key, producer_app: task.producer_app, correlation_id: task.correlation_id,
            message_id: task.message_id, headers, payload: JsonText::from(&payload),
        };
        let encoded = event.encode().unwrap();
        let decoded = EventMessage::decode(&event.routing_key, &encoded.properties, &encoded.body, LIMIT);
        prop_assert_eq!(decoded, Ok(event));
    }

    #[test]
    fn what_a_message_says_of_itself_reads_back(task in any_task()) {
        let headers = task.headers();
        let properties = headers.encode();
        prop_assert_eq!(MessageHeaders::of_task(&properties), Ok(headers.clone()));
        prop_assert_eq!(MessageHeaders::of_event(&properties), Ok(headers));
    }

    #[test]
    fn arbitrary_headers_never_panic(
        headers in proptest::collection::btree_map(any_header_name(), any_value(), 0..6), body in any_json(), limit: u16,
    ) {
        let headers: BTreeMap<_, _> = headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let of_event = good_properties().with_app_id("shop".into()).with_correlation_id("c1".into());
        let properties = of_event.with_headers(FieldTable::from(headers));
        let body = serde_json::json!({ "task_name": "t", "payload": body }).to_string();
        let _ = TaskRequest::decode("k", &properties, body.as_bytes(), usize::from(limit));
        let _ = Outcome::decode(&properties, body.as_bytes());
        let event = EventMessage::decode("k", &properties, body.as_bytes(), LIMIT).unwrap();
        // What was read can be written, and a copy has room for its notes.
        prop_assert!(event.encode().is_ok());
        let error = "e".repeat(usize::from(limit));
        retry_properties(&properties, "k", Attempt::new(1), &error, usize::from(limit));
        dead_properties(&properties, "k", &error, usize::from(limit));
    }

    #[test]
    fn arbitrary_bytes_never_panic(body: Vec<u8>, json in "[\\[\\]{}\":,a-z0-9 ntruefals\\\\]{0,80}") {
        for body in [body.as_slice(), json.as_bytes()] {
            let _ = decode(&good_properties(), body);
            let _ = EventMessage::decode("k", &good_properties(), body, LIMIT);
        }
    }
}
