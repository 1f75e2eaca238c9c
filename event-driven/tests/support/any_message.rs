//! What anybody may publish, for proptest: JSON, and headers and properties of every AMQP type.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;

use event_driven::lapin::{
    BasicProperties,
    types::{AMQPValue, DecimalValue, FieldTable, ShortString},
};
use proptest::prelude::*;

pub fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "[^\0]{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::btree_map("[a-z\"é]{0,8}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Names that mean something, and others.
pub fn any_header_name() -> impl Strategy<Value = String> {
    let known =
        ["producer_app", "correlation_id", "x-attempt", "x-error", "x-status", "traceparent", "tracestate", "CC"];
    prop_oneof![proptest::sample::select(known.to_vec()).prop_map(str::to_owned), "[a-zé-]{0,20}"]
}

/// A value of any type that AMQP has.
pub fn any_value() -> impl Strategy<Value = AMQPValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i8>().prop_map(AMQPValue::ShortShortInt),
        any::<u8>().prop_map(AMQPValue::ShortShortUInt),
        any::<i16>().prop_map(AMQPValue::ShortInt),
        any::<u16>().prop_map(AMQPValue::ShortUInt),
        any::<i32>().prop_map(AMQPValue::LongInt),
        any::<u32>().prop_map(AMQPValue::LongUInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        any::<f32>().prop_map(AMQPValue::Float),
        any::<f64>().prop_map(AMQPValue::Double),
        any::<(u8, u32)>().prop_map(|(scale, value)| AMQPValue::DecimalValue(DecimalValue { scale, value })),
        any::<Vec<u8>>().prop_map(|bytes| AMQPValue::LongString(bytes.into())),
        any::<Vec<u8>>().prop_map(|bytes| AMQPValue::ByteArray(bytes.into())),
        ".{0,40}".prop_map(|text| AMQPValue::ShortString(text.as_str().into())),
        Just(AMQPValue::Void),
    ];
    leaf.prop_recursive(40, 80, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|values| AMQPValue::FieldArray(values.into())),
            proptest::collection::btree_map("[a-z]{0,5}", inner, 0..3).prop_map(|values| {
                let values: BTreeMap<_, _> = values.into_iter().map(|(name, value)| (name.into(), value)).collect();
                AMQPValue::FieldTable(FieldTable::from(values))
            }),
        ]
    })
}

/// Any properties: those that the contract asks for right, wrong or not there, and others.
pub fn any_properties() -> impl Strategy<Value = BasicProperties> {
    let headers = proptest::collection::btree_map(any_header_name(), any_value(), 0..8);
    let identifiers = proptest::array::uniform4(proptest::option::weighted(0.8, any_short()));
    let others =
        (any::<Option<u64>>(), any::<Option<u8>>(), any::<Option<u8>>(), proptest::array::uniform2(any_short()));
    (proptest::option::weighted(0.7, headers), identifiers, others).prop_map(|(headers, identifiers, others)| {
        let mut properties = BasicProperties::default();
        if let Some(headers) = headers {
            let headers: BTreeMap<_, _> = headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
            properties = properties.with_headers(FieldTable::from(headers));
        }
        let set: [fn(BasicProperties, ShortString) -> BasicProperties; 4] = [
            BasicProperties::with_app_id,
            BasicProperties::with_correlation_id,
            BasicProperties::with_message_id,
            BasicProperties::with_reply_to,
        ];
        for (set, text) in set.into_iter().zip(identifiers) {
            properties = text.into_iter().fold(properties, |properties, text| set(properties, text.as_str().into()));
        }
        let (timestamp, priority, mode, [kind, content]) = others;
        properties = timestamp.into_iter().fold(properties, BasicProperties::with_timestamp);
        properties = priority.into_iter().fold(properties, BasicProperties::with_priority);
        properties = mode.into_iter().fold(properties, BasicProperties::with_delivery_mode);
        properties.with_type(kind.as_str().into()).with_content_type(content.as_str().into())
    })
}

/// What fits into a property: mostly right, but also empty, with NUL, or as long as it may be.
fn any_short() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-zé. -]{1,40}",
        1 => Just(String::new()),
        1 => ".{0,20}\0.{0,20}",
        1 => Just("é".repeat(127)),
        1 => Just("x".repeat(255)),
    ]
}

/// Any body: one that is right, and what becomes of it when it is cut, spoiled, doubled, nested; and any bytes.
pub fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let task = (any_member_name(), any_member_name(), any_payload(), any_payload());
    let task =
        task.prop_map(|(one, other, value, payload)| format!("{{{one}:{value},{other}:{payload}}}").into_bytes());
    let right =
        (any_payload()).prop_map(|payload| format!(r#"{{"task_name":"echo","payload":{payload}}}"#).into_bytes());
    let body = prop_oneof![
        4 => right,
        4 => task,
        1 => any_payload().prop_map(String::into_bytes),
        1 => any::<Vec<u8>>(),
        1 => (0_usize..100_000).prop_map(|depth| "[".repeat(depth).into_bytes()),
    ];
    (body, proptest::option::weighted(0.3, any_damage())).prop_map(|(body, damage)| match damage {
        Some(damage) => damage.to(body),
        None => body,
    })
}

fn any_member_name() -> impl Strategy<Value = String> {
    let names = ["\"task_name\"", "\"payload\"", "\"arguments\"", "\"task_\\u006eame\"", "\"x\"", "\"\"", "x"];
    proptest::sample::select(names.to_vec()).prop_map(str::to_owned)
}

/// The text of a value, as serde_json would write it and as it would not.
fn any_payload() -> impl Strategy<Value = String> {
    let texts = [
        r#""echo""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\u0000""#,
        "1e400",
        "-0.0",
        "1E+999999",
        "12345678901234567890",
        r#"{"a":1,"a":2}"#,
        "NaN",
        "01",
        "+1",
        ".5",
        "\"\t\"",
        "'x'",
        "\u{FEFF}1",
        "nul",
        "[1,]",
        "\"\u{1F600}\"",
    ];
    prop_oneof![
        4 => any_json().prop_map(|value| value.to_string()),
        3 => proptest::sample::select(texts.to_vec()).prop_map(str::to_owned),
        1 => (1_usize..5_000).prop_map(|digits| "9".repeat(digits)),
        1 => (100_usize..150).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
    ]
}

/// What can happen to bytes.
#[derive(Debug, Clone)]
enum Damage {
    Cut(usize),
    Flip(usize, u8),
    Before(Vec<u8>),
    Twice,
}

fn any_damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<usize>().prop_map(Damage::Cut),
        any::<(usize, u8)>().prop_map(|(at, bits)| Damage::Flip(at, bits)),
        proptest::sample::select(vec![&b"\xef\xbb\xbf"[..], b" ", b"\xff", b"\0", b"{"])
            .prop_map(|b| Damage::Before(b.to_vec())),
        Just(Damage::Twice),
    ]
}

impl Damage {
    fn to(self, mut body: Vec<u8>) -> Vec<u8> {
        let length = body.len().max(1);
        match self {
            Self::Cut(at) => body.truncate(at % length),
            Self::Flip(at, bits) => body.iter_mut().skip(at % length).take(1).for_each(|byte| *byte ^= bits),
            Self::Before(bytes) => body = [bytes, body].concat(),
            Self::Twice => body = [body.as_slice(), &body].concat(),
        }
        body
    }
}
