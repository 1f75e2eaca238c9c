//! Makes the copy of a message that goes to a retry queue or to a dead-letter queue.
//!
//! The properties stay as they are but for what would do harm on a copy:
//! - `expiration`: a dead letter must not expire, and a retry not come back early; kept as the header `x-expiration`;
//! - `user_id`: RabbitMQ closes the channel of anybody else who publishes with it; kept as the header `x-user-id`;
//! - the headers `CC` and `BCC`: the copy would go to these queues again;
//! - `x-death` and what belongs to it, on a retry: RabbitMQ drops a message that it takes to run in a circle; and
//!   `x-delivery-count`, which RabbitMQ writes anew;
//! - `x-returns`, but where the copy waits on in the same or another queue of work.

use std::{
    cmp::Reverse,
    time::{SystemTime, UNIX_EPOCH},
};

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

use super::{Death, ShortText, earlier_returns, size::field_size};
use crate::names::{Attempt, header};

/// Longest error in a header: AMQP has all headers of a message in one frame, of 128 KiB by default.
const MAX_ERROR_BYTES: usize = 4 * 1024;

const ROUTES: [&str; 2] = ["CC", "BCC"];
const COUNTS: [&str; 3] = [header::DELIVERY_COUNT, "x-acquired-count", header::RETURNS];
const DEATHS: [&str; 7] = [
    "x-death",
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
];

/// The properties of the copy that is tried again as `attempt`. `max_bytes` is the most that its headers may have.
pub fn retry_properties(
    original: &BasicProperties,
    routing_key: &str,
    attempt: Attempt,
    error: &str,
    max_bytes: usize,
) -> BasicProperties {
    let mut headers = kept_headers(original, &DEATHS);
    headers.push((header::ATTEMPT, AMQPValue::LongLongInt(attempt.number().into())));
    with_notes(original, headers, Vec::new(), routing_key, error, max_bytes)
}

/// The properties of the copy for the dead-letter queue. `max_bytes` is the most that its headers may have.
pub fn dead_properties(
    original: &BasicProperties,
    routing_key: &str,
    error: &str,
    max_bytes: usize,
) -> BasicProperties {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let died = (header::DEAD_AT, AMQPValue::Timestamp(now));
    with_notes(original, kept_headers(original, &[]), vec![died], routing_key, error, max_bytes)
}

/// The properties of a copy that goes on to the queue of its class, by the name of that queue. What the message asks for stays,
/// but that it is to be the only one of its kind, which was granted; and its `expiration` begins anew.
pub fn moved_properties(original: &BasicProperties, routing_key: &str) -> BasicProperties {
    queued_properties(original, routing_key, &[header::UNIQUE_FOR], earlier_returns(original))
}

/// The properties of a copy that waits on in the message's place, in the same queue, by the name of that. `returns`: what it tells of how
/// often that came back; `None` if it is to be taken for published just now. Its `expiration` begins anew.
pub fn waiting_properties(original: &BasicProperties, routing_key: &str, returns: Option<u64>) -> BasicProperties {
    queued_properties(original, routing_key, &[], returns)
}

fn queued_properties(
    original: &BasicProperties,
    routing_key: &str,
    dropped: &[&str],
    returns: Option<u64>,
) -> BasicProperties {
    let mut headers = kept_headers(original, &DEATHS);
    let mut notes = noted(original);
    notes.retain(|(name, _)| *name != header::EXPIRATION);
    notes.push((header::ROUTING_KEY, AMQPValue::LongString(routing_key.into())));
    headers.retain(|(name, _)| !dropped.contains(name) && !notes.iter().any(|(note, _)| note == name));
    headers.extend(notes);
    let count = |returns| AMQPValue::LongLongInt(i64::try_from(returns).unwrap_or(i64::MAX));
    headers.extend(returns.map(|returns| (header::RETURNS, count(returns))));
    let queued = copied(original).with_headers(table(headers));
    match original.expiration() {
        Some(expiration) => queued.with_expiration(expiration.clone()),
        None => queued,
    }
}

/// The properties of a copy of a dead letter that goes back to the queue of work that it came from, as if it had just been
/// published: nothing is left of its attempts and of its death. It travels by the name of the queue, so that the key that it
/// was published with stands in a header.
pub fn revived_properties(dead: &BasicProperties) -> BasicProperties {
    let mut headers = kept_headers(dead, &DEATHS);
    headers.retain(|(name, _)| ![header::ATTEMPT, header::ERROR, header::DEAD_AT, header::EXPIRATION].contains(name));
    if !headers.iter().any(|(name, _)| *name == header::ROUTING_KEY) {
        let key = Death::last(dead).and_then(|death| death.routing_key);
        headers.extend(key.map(|key| (header::ROUTING_KEY, AMQPValue::LongString(key.into()))));
    }
    copied(dead).with_headers(table(headers))
}

/// The properties of a dead letter that is put into its queue anew: nothing of what it says is lost.
pub fn renewed_properties(dead: &BasicProperties) -> BasicProperties {
    let mut headers = kept_headers(dead, &[]);
    let notes = noted(dead);
    headers.retain(|(name, _)| !notes.iter().any(|(note, _)| note == name));
    headers.extend(notes);
    copied(dead).with_headers(table(headers))
}

type Headers<'a> = Vec<(&'a str, AMQPValue)>;

fn kept_headers<'a>(original: &'a BasicProperties, dropped: &[&str]) -> Headers<'a> {
    let Some(headers) = original.headers() else { return Headers::new() };
    let keep = |name: &str| !dropped.contains(&name) && !ROUTES.contains(&name) && !COUNTS.contains(&name);
    headers
        .inner()
        .iter()
        .filter(|(name, _)| keep(name.as_str()))
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect()
}

fn with_notes<'a>(
    original: &BasicProperties,
    mut headers: Headers<'a>,
    mut notes: Headers<'a>,
    routing_key: &str,
    error: &str,
    max_bytes: usize,
) -> BasicProperties {
    let text = |text: &str| AMQPValue::LongString(text.into());
    notes.extend([(header::ERROR, text(cut(error, MAX_ERROR_BYTES))), (header::ROUTING_KEY, text(routing_key))]);
    notes.extend(noted(original));
    headers.retain(|(name, _)| !notes.iter().any(|(note, _)| note == name));
    shrink(&mut headers, max_bytes.saturating_sub(size(&notes)));
    headers.extend(notes);
    copied(original).with_headers(table(headers))
}

/// The properties that no copy may have, as headers.
fn noted(original: &BasicProperties) -> Headers<'static> {
    let properties = [(header::EXPIRATION, original.expiration()), (header::USER_ID, original.user_id())];
    let note = |(name, property): (&'static str, &Option<ShortString>)| {
        Some((name, AMQPValue::LongString(property.as_ref()?.as_str().into())))
    };
    properties.into_iter().filter_map(note).collect()
}

fn table(headers: Headers<'_>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(ShortString::try_new(name).unwrap_or_default(), value);
    }
    table
}

/// Leaves out the largest headers until the rest fits into a frame: the message almost filled one before.
fn shrink(headers: &mut Headers<'_>, max_bytes: usize) {
    let mut left = size(headers);
    if left <= max_bytes {
        return;
    }
    // There may be tens of thousands, each of a few bytes.
    headers.sort_by_cached_key(|(name, value)| (is_needed(name, value), Reverse(field_size(name, value))));
    let too_many = headers.iter().take_while(|(name, value)| {
        let gone = left > max_bytes && !is_needed(name, value);
        left -= if gone { field_size(name, value) } else { 0 };
        gone
    });
    let count = too_many.count();
    let largest = headers.first().map_or("", |(name, _)| name);
    tracing::warn!(header = largest, count, "headers have no room in the copy of a message and are left out");
    headers.drain(..count);
}

/// Without these the copy would be another message, or none. A longer one is refused anyway.
fn is_needed(name: &str, value: &AMQPValue) -> bool {
    let needed = [header::ATTEMPT, header::PRODUCER_APP, header::CORRELATION_ID].contains(&name);
    needed && field_size(name, value) <= field_size(name, &AMQPValue::LongString("".into())) + ShortText::MAX_LENGTH
}

/// Bytes of the headers on the wire.
fn size(headers: &[(&str, AMQPValue)]) -> usize {
    headers.iter().map(|(name, value)| field_size(name, value)).sum()
}

/// All properties but `expiration`, `user_id` and the headers. There is no way to take one away.
fn copied(original: &BasicProperties) -> BasicProperties {
    let mut copy = BasicProperties::default();
    macro_rules! keep {
        ($($get:ident $set:ident),*) => {
            $(if let Some(value) = original.$get() { copy = copy.$set(value.clone()); })*
        };
    }
    keep!(
        content_type with_content_type, content_encoding with_content_encoding, delivery_mode with_delivery_mode,
        priority with_priority, correlation_id with_correlation_id, reply_to with_reply_to,
        message_id with_message_id, timestamp with_timestamp, kind with_type, app_id with_app_id,
        cluster_id with_cluster_id
    );
    copy
}

/// The first bytes of a text, whole characters only.
fn cut(text: &str, max_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(max_bytes)).unwrap_or(text)
}

/// The key with which a message was published first: that of a copy stands in a header, since it travelled by the name
/// of a queue. Only then: a producer's own header of that name says nothing.
pub fn first_routing_key(exchange: &str, routing_key: &str, queue: &str, properties: &BasicProperties) -> String {
    let noted = || match properties.headers().as_ref()?.inner().get(header::ROUTING_KEY)? {
        AMQPValue::LongString(key) => std::str::from_utf8(LongString::as_bytes(key)).ok(),
        _ => None,
    };
    let by_queue = exchange.is_empty() && routing_key == queue;
    noted().filter(|_| by_queue).unwrap_or(routing_key).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{super::returns, *};

    fn with_headers(headers: &[(&str, AMQPValue)]) -> BasicProperties {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        BasicProperties::default().with_headers(table)
    }

    fn names(properties: &BasicProperties) -> Vec<String> {
        properties.headers().as_ref().unwrap().inner().keys().map(ToString::to_string).collect()
    }

    #[test]
    fn what_would_do_harm_is_left_out_and_noted() {
        let original = with_headers(&[
            ("a", AMQPValue::Boolean(true)),
            ("CC", AMQPValue::Void),
            ("x-death", AMQPValue::Void),
            ("x-delivery-count", AMQPValue::LongInt(3)),
            ("x-error", AMQPValue::Void),
        ])
        .with_expiration("60000".into())
        .with_user_id("somebody".into())
        .with_app_id("shop".into())
        .with_priority(3);
        let retry = retry_properties(&original, "k", Attempt::new(1), "e", 100_000);
        assert_eq!((retry.expiration(), retry.user_id(), retry.priority()), (&None, &None, &Some(3)));
        assert_eq!(retry.app_id(), original.app_id());
        assert_eq!(names(&retry), ["a", "x-attempt", "x-error", "x-expiration", "x-routing-key", "x-user-id"]);
        let dead = dead_properties(&original, "k", "e", 100_000);
        assert_eq!(
            names(&dead),
            ["a", "x-dead-at", "x-death", "x-error", "x-expiration", "x-routing-key", "x-user-id"]
        );
    }

    #[test]
    fn what_is_moved_asks_for_the_same() {
        let original = with_headers(&[("x-priority", AMQPValue::LongString("low".into())), ("BCC", AMQPValue::Void)])
            .with_expiration("60000".into())
            .with_user_id("somebody".into())
            .with_message_id("m".into());
        let moved = moved_properties(&original, "routing.task.run.a");
        assert_eq!(names(&moved), ["x-priority", "x-routing-key", "x-user-id"]);
        assert_eq!((moved.user_id(), moved.expiration()), (&None, original.expiration()));
        assert_eq!(moved.message_id(), original.message_id());
        let low = "tasks.priority.low";
        assert_eq!(first_routing_key("", low, low, &moved), "routing.task.run.a");
    }

    #[test]
    fn what_is_renewed_says_the_same_and_does_no_harm() {
        let dead = with_headers(&[
            ("x-error", AMQPValue::Void),
            ("CC", AMQPValue::Void),
            ("x-delivery-count", AMQPValue::LongInt(15)),
        ])
        .with_user_id("shop".into())
        .with_expiration("1".into());
        let renewed = renewed_properties(&dead);
        assert_eq!(names(&renewed), ["x-error", "x-expiration", "x-user-id"]);
        assert_eq!((renewed.user_id(), renewed.expiration()), (&None, &None));
        assert_eq!(renewed_properties(&renewed), renewed);
    }

    #[test]
    fn what_waits_on_asks_for_the_same_and_tells_how_often_it_came_back() {
        let original = with_headers(&[
            ("x-attempt", AMQPValue::LongInt(1)),
            ("x-unique-for", AMQPValue::LongInt(1000)),
            ("x-returns", AMQPValue::LongLongInt(1)),
            ("x-delivery-count", AMQPValue::LongInt(9)),
            ("x-death", AMQPValue::Void),
        ])
        .with_expiration("60000".into());
        let waiting = waiting_properties(&original, "routing.task.run.echo", Some(5));
        assert_eq!(names(&waiting), ["x-attempt", "x-returns", "x-routing-key", "x-unique-for"]);
        assert_eq!((earlier_returns(&waiting), returns(&waiting)), (Some(5), 0));
        assert_eq!(waiting.expiration(), original.expiration());
        let fresh = waiting_properties(&original, "routing.task.run.echo", None);
        assert_eq!(earlier_returns(&fresh), None);
        let retry = retry_properties(&waiting, "routing.task.run.echo", Attempt::new(2), "technical", 1 << 16);
        assert_eq!(earlier_returns(&retry), None, "what is attempted anew is counted anew");
        let dead = dead_properties(&waiting, "routing.task.run.echo", "technical", 1 << 16);
        assert_eq!(earlier_returns(&dead), None, "and so is what is revived");
        assert_eq!(earlier_returns(&revived_properties(&waiting)), None, "also if RabbitMQ made it a dead letter");
        assert_eq!(earlier_returns(&moved_properties(&waiting, "routing.task.run.echo")), Some(5));
    }

    #[test]
    fn what_is_revived_knows_nothing_of_its_death() {
        let original =
            with_headers(&[("a", AMQPValue::Void), ("x-attempt", AMQPValue::LongInt(3))]).with_app_id("shop".into());
        let dead = dead_properties(&original.with_expiration("60000".into()), "routing.task.run.a", "trap: x", 100_000);
        let revived = revived_properties(&dead);
        assert_eq!(names(&revived), ["a", "x-routing-key"]);
        assert_eq!(first_routing_key("", "tasks", "tasks", &revived), "routing.task.run.a");
        assert_eq!((revived.expiration(), revived.app_id().as_ref().map(ShortString::as_str)), (&None, Some("shop")));
    }

    #[test]
    fn what_the_broker_has_dead_lettered_gets_its_key_back() {
        let mut death = FieldTable::default();
        let keys = vec![AMQPValue::LongString("routing.task.run.a".into())];
        death.insert("routing-keys".into(), AMQPValue::FieldArray(keys.into()));
        let dead = with_headers(&[("x-death", AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into()))]);
        let revived = revived_properties(&dead);
        assert_eq!(names(&revived), ["x-routing-key"]);
        assert_eq!(first_routing_key("", "tasks", "tasks", &revived), "routing.task.run.a");
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        let dead = dead_properties(&BasicProperties::default(), "k", &"é".repeat(10_000), 100_000);
        let Some(AMQPValue::LongString(error)) = dead.headers().as_ref().unwrap().inner().get("x-error") else {
            panic!("no x-error");
        };
        assert_eq!(error.len(), MAX_ERROR_BYTES);
    }

    #[test]
    fn headers_that_filled_a_frame_lose_the_largest() {
        let text = |n: usize| AMQPValue::LongString("x".repeat(n).into());
        let original = with_headers(&[("huge", text(100_000)), ("large", text(20_000)), ("small", text(10))]);
        let dead = dead_properties(&original, "k", &"e".repeat(9_000), 30_000);
        assert_eq!(names(&dead), ["large", "small", "x-dead-at", "x-error", "x-routing-key"]);
    }

    /// As many as fill a frame, each smaller than what a copy needs: without it the copy would be another message.
    #[test]
    fn a_frame_full_of_tiny_headers_keeps_what_the_contract_asks_for() {
        let text = |text: &str| AMQPValue::LongString(text.into());
        let tiny = (0..16_000).map(|n| format!("{n:x}"));
        let mut headers: Vec<(String, AMQPValue)> = tiny.map(|name| (name, AMQPValue::Void)).collect();
        headers.push((header::PRODUCER_APP.to_owned(), text("shop")));
        headers.push((header::CORRELATION_ID.to_owned(), text(&"c".repeat(255))));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let (original, max_bytes) = (with_headers(&headers), size(&headers));
        let begun = std::time::Instant::now();
        let retry = retry_properties(&original, "k", Attempt::new(2), &"e".repeat(9_000), max_bytes);
        // A message may not cost more because somebody filled it so.
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "it took {:?}", begun.elapsed());
        let names = names(&retry);
        for name in [header::ATTEMPT, header::PRODUCER_APP, header::CORRELATION_ID, header::ERROR] {
            assert!(names.iter().any(|kept| kept == name), "{name} is lost");
        }
        let kept = names.len();
        assert!((10_000..16_000).contains(&kept), "{kept} are kept");
        let table = retry.headers().as_ref().unwrap();
        assert!(super::super::size::headers_size(table) <= max_bytes);
    }

    /// One that is longer than the contract allows is refused with or without it.
    #[test]
    fn a_producer_that_fills_the_frame_is_left_out() {
        let original = with_headers(&[(header::PRODUCER_APP, AMQPValue::LongString("x".repeat(50_000).into()))]);
        assert_eq!(names(&dead_properties(&original, "k", "e", 30_000)), ["x-dead-at", "x-error", "x-routing-key"]);
    }

    #[test]
    fn the_first_routing_key_is_believed_only_on_a_copy() {
        let noted = with_headers(&[("x-routing-key", AMQPValue::LongString("first".into()))]);
        assert_eq!(first_routing_key("", "tasks", "tasks", &noted), "first");
        assert_eq!(first_routing_key("task.exchange", "k", "tasks", &noted), "k");
        assert_eq!(first_routing_key("", "tasks", "tasks", &BasicProperties::default()), "tasks");
    }
}
