//! A message as anybody may publish it: a body of any bytes, properties and headers of any AMQP type.

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use event_driven::lapin::{
    BasicProperties,
    types::{AMQPValue, DecimalValue, FieldTable, ShortString},
};

/// The most bytes that a body may have.
pub const MAX_SIZE: usize = 4_096;

/// What libFuzzer's bytes are read as. The body comes last and takes what is left, so that it can be steered.
#[derive(Debug, Arbitrary)]
pub struct Message<'a> {
    app_id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    message_id: Option<&'a str>,
    reply_to: Option<&'a str>,
    headers: Vec<(Name<'a>, Value<'a>)>,
    /// The bytes that were published.
    pub body: &'a [u8],
}

/// The name of a header: one that means something, or another.
#[derive(Debug, Arbitrary)]
enum Name<'a> {
    ProducerApp,
    CorrelationId,
    Attempt,
    TraceParent,
    TraceState,
    Other(&'a str),
}

/// A value of any type that AMQP has.
#[derive(Debug, Arbitrary)]
enum Value<'a> {
    Boolean(bool),
    ShortShortInt(i8),
    ShortShortUInt(u8),
    ShortInt(i16),
    ShortUInt(u16),
    LongInt(i32),
    LongUInt(u32),
    LongLongInt(i64),
    Float(f32),
    Double(f64),
    Decimal(u8, u32),
    ShortString(&'a str),
    LongString(&'a [u8]),
    Array(Vec<Value<'a>>),
    Timestamp(u64),
    Table(Vec<(&'a str, Value<'a>)>),
    ByteArray(&'a [u8]),
    Void,
}

impl Message<'_> {
    /// Its properties, as a client would hand them over.
    pub fn properties(&self) -> BasicProperties {
        let headers = self.headers.iter().map(|(name, value)| (name.short(), value.amqp()));
        let mut properties =
            BasicProperties::default().with_headers(FieldTable::from(headers.collect::<BTreeMap<_, _>>()));
        if let Some(text) = self.app_id {
            properties = properties.with_app_id(short(text));
        }
        if let Some(text) = self.correlation_id {
            properties = properties.with_correlation_id(short(text));
        }
        if let Some(text) = self.message_id {
            properties = properties.with_message_id(short(text));
        }
        if let Some(text) = self.reply_to {
            properties = properties.with_reply_to(short(text));
        }
        properties
    }
}

impl Name<'_> {
    fn short(&self) -> ShortString {
        match self {
            Self::ProducerApp => "producer_app".into(),
            Self::CorrelationId => "correlation_id".into(),
            Self::Attempt => "x-attempt".into(),
            Self::TraceParent => "traceparent".into(),
            Self::TraceState => "tracestate".into(),
            Self::Other(name) => short(name),
        }
    }
}

impl Value<'_> {
    fn amqp(&self) -> AMQPValue {
        match self {
            Self::Boolean(value) => AMQPValue::Boolean(*value),
            Self::ShortShortInt(value) => AMQPValue::ShortShortInt(*value),
            Self::ShortShortUInt(value) => AMQPValue::ShortShortUInt(*value),
            Self::ShortInt(value) => AMQPValue::ShortInt(*value),
            Self::ShortUInt(value) => AMQPValue::ShortUInt(*value),
            Self::LongInt(value) => AMQPValue::LongInt(*value),
            Self::LongUInt(value) => AMQPValue::LongUInt(*value),
            Self::LongLongInt(value) => AMQPValue::LongLongInt(*value),
            Self::Float(value) => AMQPValue::Float(*value),
            Self::Double(value) => AMQPValue::Double(*value),
            Self::Decimal(scale, value) => AMQPValue::DecimalValue(DecimalValue { scale: *scale, value: *value }),
            Self::ShortString(text) => AMQPValue::ShortString(short(text)),
            Self::LongString(bytes) => AMQPValue::LongString(bytes.to_vec().into()),
            Self::Array(values) => AMQPValue::FieldArray(values.iter().map(Self::amqp).collect::<Vec<_>>().into()),
            Self::Timestamp(seconds) => AMQPValue::Timestamp(*seconds),
            Self::Table(fields) => {
                let fields = fields.iter().map(|(name, value)| (short(name), value.amqp()));
                AMQPValue::FieldTable(fields.collect::<BTreeMap<_, _>>().into())
            }
            Self::ByteArray(bytes) => AMQPValue::ByteArray(bytes.to_vec().into()),
            Self::Void => AMQPValue::Void,
        }
    }
}

/// As much of a text as AMQP has room for.
fn short(text: &str) -> ShortString {
    let end = text.floor_char_boundary(255);
    text.get(..end).unwrap_or_default().into()
}
