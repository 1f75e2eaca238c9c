//! How many bytes headers and properties have on the wire: they go in one frame, and RabbitMQ ends the connection of who
//! sends a larger one. Source: AMQP 0-9-1, sections 2.3.5 and 4.2.5.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

/// Around a content header: type, channel, size and end of the frame; class, weight, size of the body and flags.
const AROUND: usize = 8 + 14;

/// The frame in which these properties travel, headers included.
pub(crate) fn header_frame_size(properties: &BasicProperties) -> usize {
    let texts = [
        properties.content_type(),
        properties.content_encoding(),
        properties.correlation_id(),
        properties.reply_to(),
        properties.expiration(),
        properties.message_id(),
        properties.kind(),
        properties.user_id(),
        properties.app_id(),
        properties.cluster_id(),
    ];
    let texts: usize = texts.into_iter().flatten().map(short).sum();
    let octets = [properties.delivery_mode(), properties.priority()].into_iter().flatten().count();
    let timestamp = properties.timestamp().map_or(0, |_| 8);
    let headers = properties.headers().as_ref().map_or(0, |headers| 4 + headers_size(headers));
    AROUND + texts + octets + timestamp + headers
}

/// All headers of a message, without the length before them.
pub(super) fn headers_size(headers: &FieldTable) -> usize {
    headers.inner().iter().map(|(name, value)| field_size(name.as_str(), value)).sum()
}

/// One header.
pub(super) fn field_size(name: &str, value: &AMQPValue) -> usize {
    2 + name.len() + value_size(value)
}

fn short(text: &ShortString) -> usize {
    1 + text.as_str().len()
}

fn value_size(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::LongString(text) => 4 + text.len(),
        AMQPValue::ByteArray(bytes) => 4 + bytes.len(),
        AMQPValue::ShortString(text) => short(text),
        AMQPValue::FieldArray(array) => 4 + array.as_slice().iter().map(|value| 1 + value_size(value)).sum::<usize>(),
        AMQPValue::FieldTable(table) => 4 + headers_size(table),
        AMQPValue::Void => 0,
        AMQPValue::Boolean(_) | AMQPValue::ShortShortInt(_) | AMQPValue::ShortShortUInt(_) => 1,
        AMQPValue::ShortInt(_) | AMQPValue::ShortUInt(_) => 2,
        AMQPValue::LongInt(_) | AMQPValue::LongUInt(_) | AMQPValue::Float(_) => 4,
        AMQPValue::DecimalValue(_) => 5,
        AMQPValue::LongLongInt(_) | AMQPValue::Double(_) | AMQPValue::Timestamp(_) => 8,
    }
}
