//! Reads what identifies a message from its headers and properties, wherever a producer has put it; and writes it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lapin::{
    BasicProperties,
    types::{AMQPValue, ShortString},
};

use super::{DecodeError, ShortText};
use crate::names::{Attempt, header};

/// Longest header of trace context that is carried, in bytes: what the W3C recommends to carry at least.
pub(crate) const MAX_TRACE_HEADER: usize = 512;

/// RabbitMQ keeps it through a restart.
const PERSISTENT: u8 = 2;

/// What every message of ours has.
pub(super) fn persistent_json(
    producer_app: &ShortText,
    correlation_id: &ShortText,
    message_id: Option<&ShortText>,
) -> BasicProperties {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT)
        .with_timestamp(now)
        .with_app_id(producer_app.to_short_string())
        .with_correlation_id(correlation_id.to_short_string());
    match message_id {
        Some(id) => properties.with_message_id(id.to_short_string()),
        None => properties,
    }
}

/// A required thing, found or not.
pub(super) type Found = Result<ShortText, DecodeError>;

/// The producer: the header `producer_app`, or the property `app_id`.
pub(super) fn producer_app(properties: &BasicProperties) -> Found {
    let places = "header producer_app and property app_id";
    required(properties, header::PRODUCER_APP, properties.app_id().as_ref(), places)
}

/// The correlation id: the header or the property of this name.
pub(super) fn correlation_id(properties: &BasicProperties) -> Found {
    let places = "header correlation_id and property correlation_id";
    required(properties, header::CORRELATION_ID, properties.correlation_id().as_ref(), places)
}

/// A required property; empty is none.
pub(super) fn property(what: &'static str, property: Option<&ShortString>) -> Found {
    optional(what, property)?.ok_or(DecodeError::Missing { what, places: "the properties" })
}

/// An optional property; empty is none.
pub(super) fn optional(what: &'static str, property: Option<&ShortString>) -> Result<Option<ShortText>, DecodeError> {
    match property.map(ShortString::as_str) {
        None | Some("") => Ok(None),
        Some(text) => ShortText::new(text).map(Some).map_err(|reason| DecodeError::BadText { what, reason }),
    }
}

/// The header `x-attempt`; the first attempt if it is not there.
pub(super) fn attempt(properties: &BasicProperties) -> Result<Attempt, DecodeError> {
    let Some(value) = header_value(properties, header::ATTEMPT) else { return Ok(Attempt::FIRST) };
    let Some(number) = whole_number(value) else {
        return Err(DecodeError::BadAttempt { found: format!("of AMQP type {}", value.get_type()) });
    };
    u32::try_from(number).map(Attempt::new).map_err(|_| DecodeError::BadAttempt { found: number.to_string() })
}

/// A value that is a whole number, of whichever type.
pub(super) fn whole_number(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(n) => Some((*n).into()),
        AMQPValue::ShortShortUInt(n) => Some((*n).into()),
        AMQPValue::ShortInt(n) => Some((*n).into()),
        AMQPValue::ShortUInt(n) => Some((*n).into()),
        AMQPValue::LongInt(n) => Some((*n).into()),
        AMQPValue::LongUInt(n) => Some((*n).into()),
        AMQPValue::LongLongInt(n) => Some(*n),
        _ => None,
    }
}

/// A time in whole milliseconds, as a number or a text, up to `max`. The error says what it must be.
pub(super) fn milliseconds(value: &AMQPValue, max: Duration) -> Result<Duration, String> {
    let number = match (whole_number(value), text(value)) {
        (Some(number), _) => Some(number),
        (None, Some(text)) => text.parse().ok(),
        (None, None) => {
            return Err(format!("must be a whole number of milliseconds, not of AMQP type {}", value.get_type()));
        }
    };
    let time = number.and_then(|number| u64::try_from(number).ok()).map(Duration::from_millis);
    time.filter(|time| *time <= max).ok_or_else(|| {
        let found = text(value).map(|text| format!("{:?}", shown(text)));
        let found = found.or_else(|| number.map(|number| number.to_string())).unwrap_or_default();
        let (max, days) = (max.as_millis(), days(max));
        format!("must be a whole number of milliseconds from 0 to {max} ({days} days), not {found}")
    })
}

/// The same properties with one more header.
pub(super) fn with_header(of: BasicProperties, name: &'static str, value: AMQPValue) -> BasicProperties {
    let mut headers = of.headers().clone().unwrap_or_default();
    headers.insert(name.into(), value);
    of.with_headers(headers)
}

/// Whole days.
pub(super) fn days(time: Duration) -> u64 {
    time.as_secs() / (24 * 60 * 60)
}

/// As much of what somebody wrote as helps to find it.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A header of trace context. One that is no text or too long is as good as none: tracing must not refuse a task.
pub(super) fn trace_header(properties: &BasicProperties, name: &str) -> Option<String> {
    let text = text(header_value(properties, name)?)?;
    (!text.is_empty() && text.len() <= MAX_TRACE_HEADER && text.is_ascii()).then(|| text.to_owned())
}

/// The value of a header.
pub(super) fn header_value<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

/// A value that is a text, as that.
pub(super) fn text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

fn required(
    properties: &BasicProperties,
    name: &'static str,
    property: Option<&ShortString>,
    places: &'static str,
) -> Found {
    let missing = DecodeError::Missing { what: name, places };
    let found = match header_value(properties, name) {
        Some(value) => text(value).ok_or(DecodeError::WrongType {
            what: name,
            expected: "a text in UTF-8",
            found: value.get_type(),
        })?,
        None => property.ok_or_else(|| missing.clone())?.as_str(),
    };
    if found.is_empty() {
        return Err(missing);
    }
    ShortText::new(found).map_err(|reason| DecodeError::BadText { what: name, reason })
}
