//! Tasks as nobody should publish them, and some that look so and are right.

use event_driven::lapin::types::{AMQPValue, FieldTable};

use super::values::{bodies_that_are_none, body, good, nested, of_every_type, properties, with_headers};
use crate::{Case, End, MAX_BODY, malformed};

const ECHO: &str = r#"{"task_name": "echo", "payload": {"a": 1}}"#;

/// The key by which a case is published: no queue is bound to it, so it comes to `tasks`.
pub fn key(name: &str) -> String {
    format!("routing.task.case.{name}")
}

pub fn all() -> Vec<Case> {
    [
        bodies_that_are_none(),
        payloads(),
        sizes(),
        members(),
        names(),
        headers(),
        attempts(),
        times(),
        identifiers(),
        others(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn payload(name: &str, payload: &str, end: End) -> Case {
    body(&format!("payload.{name}"), format!(r#"{{"task_name": "echo", "payload": {payload}}}"#), end)
}

/// Any JSON is a payload. What Postgres has no place for is kept without it.
fn payloads() -> Vec<Case> {
    let unstorable = End::Dead("unstorable: ", "the database refused the row");
    vec![
        payload("null", "null", End::Good),
        payload("false", "false", End::Good),
        payload("empty_text", r#""""#, End::Good),
        payload("emoji", r#""\ud83d\ude00 😀""#, End::Good),
        payload("duplicate_keys", r#"{"a": 1, "a": {"b": 2, "b": 3}}"#, End::Good),
        payload("empty_key", r#"{"": {"": ""}}"#, End::Good),
        payload("number_of_400_digits", &"9".repeat(400), End::Good),
        payload("exponent_of_400", "[1e400, -1e-400, -0, 1.50]", End::Good),
        payload("nested_126_deep", &nested(126), End::Good),
        payload("nested_127_deep", &nested(127), malformed("deeper than 127")),
        payload("nested_10_000_deep", &nested(10_000), malformed("deeper than 127")),
        payload("number_too_large", "1e200000", unstorable),
        payload("nul", r#""a\u0000b""#, unstorable),
        payload("nul_in_a_key", r#"{"\u0000": 1}"#, unstorable),
        payload("lone_surrogate", r#""\ud800""#, unstorable),
        payload("surrogates_in_the_wrong_order", r#""\udc00\ud800""#, unstorable),
        payload("escaped_backslash_before_u0000", r#""\\u0000""#, End::Good),
        payload("text_for_other_parsers", r#""'; DROP TABLE task_store; -- \u2028 ${x} {{y}} %s""#, End::Good),
    ]
}

/// A task whose body has so many bytes.
fn of_size(size: usize) -> String {
    let frame = r#"{"task_name":"echo","payload":""}"#.len();
    format!(r#"{{"task_name":"echo","payload":"{}"}}"#, "x".repeat(size - frame))
}

fn sizes() -> Vec<Case> {
    vec![
        body("size.one_below", of_size(MAX_BODY - 1), End::Good),
        body("size.limit", of_size(MAX_BODY), End::Good),
        body("size.one_above", of_size(MAX_BODY + 1), malformed("at most 65536 are allowed")),
    ]
}

fn members() -> Vec<Case> {
    let form = malformed("is not of the form");
    let both = malformed("both payload and arguments");
    vec![
        body("members.none", "{}", malformed("task_name is missing")),
        body("members.no_payload", r#"{"task_name": "echo"}"#, malformed("payload is missing")),
        body("members.arguments", r#"{"arguments": [1], "task_name": "echo"}"#, End::Good),
        body("members.both", r#"{"task_name": "echo", "payload": 1, "arguments": 1}"#, both),
        body("members.name_twice", r#"{"task_name": "echo", "task_name": "echo", "payload": 1}"#, form),
        body("members.payload_twice", r#"{"task_name": "echo", "payload": 1, "payload": 2}"#, form),
        body("members.more", r#"{"task_name": "echo", "payload": 1, "": 2, "x": [{}], "x": 3}"#, End::Good),
        body("members.escaped_name", r#"{"task_\u006eame": "ec\u0068o", "payload": 1}"#, End::Good),
        body("members.other_case", r#"{"Task_Name": "echo", "payload": 1}"#, malformed("task_name is missing")),
    ]
}

fn names() -> Vec<Case> {
    let named = |case: &str, name: &str, end| {
        body(&format!("name.{case}"), format!(r#"{{"task_name": {name}, "payload": 1}}"#), end)
    };
    let long = format!("\"{}\"", "a".repeat(65));
    let (wrong, no_text) = (malformed("task_name is wrong"), malformed("task_name is no text"));
    vec![
        named("empty", r#""""#, wrong),
        named("path", r#""../echo""#, wrong),
        named("dots", r#""e..cho""#, wrong),
        named("absolute", r#""/etc/passwd""#, wrong),
        named("space", r#"" echo""#, wrong),
        named("nul", r#""echo\u0000""#, wrong),
        named("umlaut", r#""échо""#, wrong),
        named("long", &long, wrong),
        named("null", "null", no_text),
        named("number", "7", no_text),
        named("object", r#"{"name": "echo"}"#, no_text),
        named("lone_surrogate", r#""\ud800""#, no_text),
        named("unknown", r#""nobody.has_this-1""#, End::Dead("no_such_component: ", "nobody.has_this-1")),
    ]
}

fn headers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, value) in of_every_type() {
        // As a header that nobody knows, it is nobody's concern; as one that identifies, it has to be a text.
        let other = vec![("x-other".to_owned(), value.clone()), (kind.to_owned(), value.clone())];
        cases.push(properties(&format!("header.{kind}"), with_headers(other), ECHO, End::Good));
        let end = match kind {
            "text" => End::Good,
            "empty_text" => malformed("producer_app is missing"),
            "nul" => malformed("producer_app holds the character NUL"),
            _ => malformed("producer_app must be a text"),
        };
        let producer = vec![("producer_app".to_owned(), value.clone())];
        cases.push(properties(&format!("producer.{kind}"), with_headers(producer), ECHO, end));
        // Tracing must not refuse a task.
        let trace = vec![("traceparent".to_owned(), value.clone()), ("tracestate".to_owned(), value)];
        cases.push(properties(&format!("trace.{kind}"), with_headers(trace), ECHO, End::Good));
    }
    let many = |count: usize| (0..count).map(|n| (format!("h{n}"), AMQPValue::Void)).collect();
    cases.push(properties("headers.10_000", with_headers(many(10_000)), ECHO, End::Good));
    cases.push(properties("headers.10_000_malformed", with_headers(many(10_000)), "{", malformed("is not JSON")));
    let long = vec![("n".repeat(255), AMQPValue::LongString("v".repeat(100_000).into()))];
    cases.push(properties("headers.long", with_headers(long.clone()), ECHO, End::Good));
    cases.push(properties("headers.long_malformed", with_headers(long), "{", malformed("is not JSON")));
    let own = [("x-error", "mine"), ("x-routing-key-of", "a"), ("x-status", "COMPLETED"), ("x-death", "none")];
    let own = own.map(|(name, value)| (name.to_owned(), AMQPValue::LongString(value.into())));
    cases.push(properties("headers.that_look_like_ours", with_headers(own.to_vec()), ECHO, End::Good));
    cases
}

fn attempts() -> Vec<Case> {
    let attempt = |case: &str, value: AMQPValue, end| {
        let headers = vec![("x-attempt".to_owned(), value)];
        properties(&format!("attempt.{case}"), with_headers(headers), ECHO, end)
    };
    let wrong = malformed("header x-attempt must be a whole number from 0 to 4294967295");
    let mut cases = vec![
        attempt("0", AMQPValue::LongLongInt(0), End::Good),
        attempt("3_as_a_byte", AMQPValue::ShortShortUInt(3), End::Good),
        attempt("3_as_a_signed_byte", AMQPValue::ShortShortInt(3), End::Good),
        attempt("3_as_a_short", AMQPValue::ShortInt(3), End::Good),
        attempt("1000", AMQPValue::LongInt(1_000), End::Good),
        attempt("largest", AMQPValue::LongUInt(u32::MAX), End::Good),
        attempt("beyond", AMQPValue::LongLongInt(1 << 32), wrong),
        attempt("largest_of_64_bits", AMQPValue::LongLongInt(i64::MAX), wrong),
        attempt("minus_1", AMQPValue::LongLongInt(-1), wrong),
        attempt("2_to_63", AMQPValue::Timestamp(1 << 63), wrong),
        attempt("text_3", AMQPValue::LongString("3".into()), wrong),
    ];
    let numbers = ["short_short_uint", "short_uint", "long_uint"];
    for (kind, value) in of_every_type() {
        cases.push(attempt(kind, value, if numbers.contains(&kind) { End::Good } else { wrong }));
    }
    cases
}

fn times() -> Vec<Case> {
    let at = |name: &str, case: &str, value: AMQPValue, end| {
        let headers = vec![(name.to_owned(), value)];
        properties(&format!("time.{name}.{case}"), with_headers(headers), ECHO, end)
    };
    let wrong = malformed("header x-run-at must be a text as 2030-01-31T08:00:00Z (RFC 3339), not");
    let no_time = malformed("header x-run-at must be a time as 2030-01-31T08:00:00Z (RFC 3339), not");
    let no_delay = malformed("header x-delay-ms must be a whole number of milliseconds");
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut cases = vec![
        at("x-run-at", "past", text("1970-01-01T00:00:00Z"), End::Good),
        at("x-run-at", "no_time", text("soon"), no_time),
        at("x-run-at", "long", text(&"9".repeat(10_000)), no_time),
        at("x-delay-ms", "0", AMQPValue::LongLongInt(0), End::Good),
        at("x-delay-ms", "1_as_a_text", text("1"), End::Good),
        at("x-delay-ms", "minus_1", AMQPValue::LongLongInt(-1), no_delay),
        at("x-delay-ms", "100_years", AMQPValue::LongLongInt(3_153_600_000_000), no_delay),
        at("x-delay-ms", "1e99", AMQPValue::Double(1e99), no_delay),
    ];
    let texts = ["text", "empty_text", "nul"];
    for (kind, value) in of_every_type() {
        cases.push(at("x-run-at", kind, value, if texts.contains(&kind) { no_time } else { wrong }));
    }
    cases
}

fn identifiers() -> Vec<Case> {
    let id = |case: &str, id: &str, end| {
        properties(&format!("message_id.{case}"), good().with_message_id(id.into()), ECHO, end)
    };
    vec![
        id("empty", "", End::Good),
        id("of_255_bytes", &"i".repeat(255), End::Good),
        id("of_255_bytes_of_emoji", &format!("{}iii", "😀".repeat(63)), End::Good),
        id("nul", "a\0b", malformed("message_id holds the character NUL")),
        id("space", " ", End::Good),
        properties("no_properties", Default::default(), ECHO, malformed("producer_app is missing")),
        properties("no_producer", good().with_app_id("".into()), ECHO, malformed("producer_app is missing")),
        properties(
            "no_correlation",
            good().with_correlation_id("".into()),
            ECHO,
            malformed("correlation_id is missing"),
        ),
        properties(
            "nul_in_correlation",
            good().with_correlation_id("\0".into()),
            ECHO,
            malformed("holds the character NUL"),
        ),
        properties(
            "nul_in_reply_to",
            good().with_reply_to("a\0".into()),
            ECHO,
            malformed("reply_to holds the character NUL"),
        ),
        properties("nobody_to_reply_to", good().with_reply_to("no.such.queue".into()), ECHO, End::Good),
    ]
}

/// Properties of which the contract says nothing.
fn others() -> Vec<Case> {
    let text = || good().with_content_type("text/plain; charset=utf-7".into()).with_content_encoding("gzip".into());
    let odd =
        || good().with_timestamp(u64::MAX).with_priority(255).with_delivery_mode(1).with_expiration("60000".into());
    let named = || good().with_type("\0".into()).with_cluster_id("é".repeat(127).as_str().into());
    vec![
        properties("others.content", text(), ECHO, End::Good),
        properties("others.odd", odd(), ECHO, End::Good),
        properties("others.odd_malformed", odd(), "[", malformed("is not JSON")),
        properties("others.named", named(), ECHO, End::Good),
        properties("others.named_malformed", named(), "[", malformed("is not JSON")),
        properties("others.no_headers", good().with_headers(FieldTable::default()), ECHO, End::Good),
    ]
}
