//! What a dead letter says of its death: in our headers, or in those of RabbitMQ where that has dead-lettered it.
//!
//! RabbitMQ's `x-death` is a list with the last death first (<https://www.rabbitmq.com/docs/dlx#effects>).

use chrono::{DateTime, Utc};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use super::properties;
use crate::names::header;

/// How a message came into a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The error of who gave it up, else RabbitMQ's word: `expired`, `maxlen`, `rejected`, `delivery_limit`.
    pub reason: String,
    /// When.
    pub at: Option<DateTime<Utc>>,
    /// The key that it was published with.
    pub routing_key: Option<String>,
}

impl Death {
    /// The last one; `None` if nothing tells of any.
    pub fn last(of: &BasicProperties) -> Option<Self> {
        let text = |name: &str| properties::text(properties::header_value(of, name)?).map(str::to_owned);
        let broker = by_broker(of);
        match text(header::ERROR) {
            Some(reason) => Some(Self {
                reason,
                at: properties::header_value(of, header::DEAD_AT).and_then(time).or(broker.and_then(|death| death.at)),
                routing_key: text(header::ROUTING_KEY),
            }),
            None => broker,
        }
    }
}

/// How often a message came back to its queue, as far as the broker counts: quorum queues do, classic ones don't.
pub fn returns(of: &BasicProperties) -> u64 {
    count(of, header::DELIVERY_COUNT).unwrap_or_default()
}

/// How often the message came back in whose place this one waits on, see [`waiting_properties`](super::waiting_properties). `None`: it
/// is no such copy.
pub fn earlier_returns(of: &BasicProperties) -> Option<u64> {
    count(of, header::RETURNS)
}

fn count(of: &BasicProperties, name: &str) -> Option<u64> {
    let count = properties::header_value(of, name).and_then(AMQPValue::as_long_long_int)?;
    u64::try_from(count).ok()
}

fn by_broker(of: &BasicProperties) -> Option<Death> {
    let AMQPValue::FieldArray(deaths) = properties::header_value(of, "x-death")? else { return None };
    let AMQPValue::FieldTable(last) = deaths.as_slice().first()? else { return None };
    let text = |name: &str| field(last, name).and_then(properties::text).map(str::to_owned);
    let key = match field(last, "routing-keys") {
        Some(AMQPValue::FieldArray(keys)) => keys.as_slice().first().and_then(properties::text).map(str::to_owned),
        _ => None,
    };
    Some(Death { reason: text("reason").unwrap_or_default(), at: field(last, "time").and_then(time), routing_key: key })
}

fn field<'a>(table: &'a FieldTable, name: &str) -> Option<&'a AMQPValue> {
    table.inner().get(name)
}

fn time(value: &AMQPValue) -> Option<DateTime<Utc>> {
    match value {
        AMQPValue::Timestamp(seconds) => DateTime::from_timestamp(i64::try_from(*seconds).ok()?, 0),
        _ => None,
    }
}
