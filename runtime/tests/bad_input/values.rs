//! Headers and bodies of every kind that AMQP and JSON know.

use event_driven::lapin::{
    BasicProperties,
    types::{AMQPValue, DecimalValue, FieldTable},
};

use crate::{Case, End};

/// A value of each type of AMQP 0-9-1, with its name. Not NaN and the infinities: RabbitMQ ends the connection of who sends them.
pub fn of_every_type() -> Vec<(&'static str, AMQPValue)> {
    let table = |value: AMQPValue| {
        let mut table = FieldTable::default();
        table.insert("k".into(), value);
        AMQPValue::FieldTable(table)
    };
    let decimal = |scale, value| AMQPValue::DecimalValue(DecimalValue { scale, value });
    vec![
        ("boolean", AMQPValue::Boolean(true)),
        ("short_short_int", AMQPValue::ShortShortInt(-128)),
        ("short_short_uint", AMQPValue::ShortShortUInt(255)),
        ("short_int", AMQPValue::ShortInt(-32_768)),
        ("short_uint", AMQPValue::ShortUInt(65_535)),
        ("long_int", AMQPValue::LongInt(i32::MIN)),
        ("long_uint", AMQPValue::LongUInt(u32::MAX)),
        ("long_long_int", AMQPValue::LongLongInt(i64::MIN)),
        ("float", AMQPValue::Float(-0.1)),
        ("double", AMQPValue::Double(f64::MIN)),
        ("decimal", decimal(2, 1_234)),
        ("decimal_of_large_scale", decimal(255, 1)),
        ("text", AMQPValue::LongString("grüße".into())),
        ("empty_text", AMQPValue::LongString("".into())),
        ("text_that_is_none", AMQPValue::LongString(vec![0xff, 0xfe, 0].into())),
        ("nul", AMQPValue::LongString("a\0b".into())),
        ("bytes", AMQPValue::ByteArray(vec![0, 255].into())),
        ("timestamp", AMQPValue::Timestamp(u64::MAX)),
        ("void", AMQPValue::Void),
        ("array", AMQPValue::FieldArray(vec![AMQPValue::Void, table(AMQPValue::Boolean(false))].into())),
        ("table", table(table(AMQPValue::FieldArray(vec![decimal(0, 0)].into())))),
        ("deep_array", (0..200).fold(AMQPValue::Void, |inner, _| AMQPValue::FieldArray(vec![inner].into()))),
        ("deep_table", (0..200).fold(AMQPValue::Void, |inner, _| table(inner))),
    ]
}

/// Properties of a message of `shop` with these headers.
pub fn with_headers(headers: Vec<(String, AMQPValue)>) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(name.as_str().into(), value);
    }
    good().with_headers(table)
}

/// Properties that satisfy the contract, in the form that tasks and events share.
pub fn good() -> BasicProperties {
    BasicProperties::default().with_app_id("shop".into()).with_correlation_id("c-1".into())
}

pub fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// A case with properties that are right.
pub fn body(name: &str, body: impl Into<Vec<u8>>, end: End) -> Case {
    properties(name, good(), body, end)
}

pub fn properties(name: &str, properties: BasicProperties, body: impl Into<Vec<u8>>, end: End) -> Case {
    Case { name: name.to_owned(), properties, body: body.into(), end }
}

/// What is no text, no JSON, or no object; the same for tasks and events.
pub fn bodies_that_are_none() -> Vec<Case> {
    let utf16 = "{\"a\": 1}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let (form, json) = (crate::malformed("is not of the form"), crate::malformed("is not JSON"));
    vec![
        body("empty", "", json),
        body("space", "  \n", json),
        body("no_json", "task", json),
        body("cut_off", r#"{"task_name": "echo", "payl"#, json),
        body("two_values", "{} {}", json),
        body("single_quotes", "{'task_name': 'echo', 'payload': 1}", json),
        body("comment", "/* */ {}", json),
        body("byte_order_mark", "\u{FEFF}{\"task_name\": \"echo\", \"payload\": 1}", json),
        body("not_a_number", r#"{"task_name": "echo", "payload": NaN}"#, json),
        body("control_character", "{\"task_name\": \"e\ncho\", \"payload\": 1}", json),
        body("utf_16", utf16, json),
        body(
            "latin_1",
            b"{\"task_name\": \"echo\", \"payload\": \"gr\xfc\xdfe\"}".to_vec(),
            crate::malformed("not UTF-8"),
        ),
        body(
            "surrogates_in_utf_8",
            b"{\"task_name\": \"echo\", \"payload\": \"\xed\xa0\x80\"}".to_vec(),
            crate::malformed("not UTF-8"),
        ),
        body("compressed", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], crate::malformed("not UTF-8")),
        body("null", "null", form),
        body("number", "1", form),
        body("text", r#""task""#, form),
        body("array", r#"["echo", {}]"#, form),
        body("unclosed_brackets", "[".repeat(60_000), crate::malformed("deeper than 127")),
        body("large_and_empty", " ".repeat(crate::MAX_BODY + 1), crate::malformed("at most 65536 are allowed")),
        body("large", format!("{:?}", "x".repeat(1 << 20)), crate::malformed("at most 65536 are allowed")),
        body("nested_100_000_deep", nested(100_000), crate::malformed("at most 65536 are allowed")),
    ]
}
