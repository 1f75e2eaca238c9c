//! Events as nobody should publish them, and some that look so and are right.

use event_driven::lapin::types::AMQPValue;

use super::values::{bodies_that_are_none, body, good, nested, of_every_type, properties, with_headers};
use crate::{Case, End, MAX_BODY, malformed};

/// The key by which a case is published.
pub fn key(name: &str) -> String {
    format!("routing.event.create.case.{name}")
}

pub fn all() -> Vec<Case> {
    [bodies_that_are_none(), bodies(), headers(), identifiers()].into_iter().flatten().collect()
}

fn bodies() -> Vec<Case> {
    let unstorable = End::Dead("unstorable: ", "the database refused the row");
    let of_size = |size: usize| format!(r#"{{"t":"{}"}}"#, "x".repeat(size - 8));
    vec![
        body("object", "{}", End::Good),
        body("space_around", "\r\n { \"a\" : 1 } \t", End::Good),
        body("duplicate_keys", r#"{"a": 1, "a": 2}"#, End::Good),
        body("number_of_400_digits", format!(r#"{{"n": {}}}"#, "9".repeat(400)), End::Good),
        body("nested_126_deep", format!(r#"{{"a": {}}}"#, nested(126)), End::Good),
        body("nested_127_deep", format!(r#"{{"a": {}}}"#, nested(127)), malformed("deeper than 127")),
        body("limit", of_size(MAX_BODY), End::Good),
        body("one_above", of_size(MAX_BODY + 1), malformed("at most 65536 are allowed")),
        body("number_too_large", r#"{"n": 1e200000}"#, unstorable),
        body("nul", r#"{"t": "\u0000"}"#, unstorable),
        body("lone_surrogate", r#"{"t": "\ud800"}"#, unstorable),
    ]
}

/// The headers of an event are the producer's own, whatever they are.
fn headers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, value) in of_every_type() {
        let names = ["x-attempt", "producer_app", "traceparent", "x-error"];
        let own = names.map(|name| (name.to_owned(), value.clone())).to_vec();
        // NUL in a text is one in JSON.
        let end = if kind == "nul" { End::Dead("unstorable: ", "refused the row") } else { End::Good };
        cases.push(properties(&format!("header.{kind}"), with_headers(own), "{}", end));
    }
    let many: Vec<_> = (0..10_000).map(|n| (format!("h{n}"), AMQPValue::Void)).collect();
    cases.push(properties("headers.10_000", with_headers(many.clone()), "{}", End::Good));
    cases.push(properties("headers.10_000_malformed", with_headers(many), "[]", malformed("is not of the form")));
    cases
}

fn identifiers() -> Vec<Case> {
    vec![
        properties("message_id.empty", good().with_message_id("".into()), "{}", End::Good),
        properties("message_id.long", good().with_message_id("i".repeat(255).as_str().into()), "{}", End::Good),
        properties(
            "message_id.nul",
            good().with_message_id("\0".into()),
            "{}",
            malformed("message_id holds the character NUL"),
        ),
        properties("no_properties", Default::default(), "{}", malformed("app_id is missing")),
        properties("no_producer", good().with_app_id("".into()), "{}", malformed("app_id is missing")),
        properties(
            "no_correlation",
            good().with_correlation_id("".into()),
            "{}",
            malformed("correlation_id is missing"),
        ),
    ]
}
