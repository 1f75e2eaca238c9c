//! The kinds of queues, with their arguments.

use std::{collections::BTreeMap, time::Duration};

use super::{Argument, Declaration, Queue, QueueType, TopologySettings};
use crate::names::{Attempt, DEFAULT_EXCHANGE};

/// The longest time that a message waits for a retry: RabbitMQ keeps a TTL in 32 bits of milliseconds.
pub const MAX_RETRY_DELAY: Duration = Duration::from_millis(u32::MAX as u64);

/// So often a message may come back to a quorum queue, given back or with a lost connection, before RabbitMQ takes it for
/// poison and dead-letters it. The default of RabbitMQ 4; older ones have none.
pub const DELIVERY_LIMIT: u32 = 20;

pub(super) type Arguments = BTreeMap<String, Argument>;

/// A queue that is consumed, without limits; what kills its consumers goes to `dead_exchange` by `dead_key`.
pub(super) fn unlimited(name: &str, settings: &TopologySettings, dead_exchange: &str, dead_key: &str) -> Declaration {
    queue(name, settings, consumed(settings, dead_exchange, dead_key))
}

/// The same with the limits of a subscriber's or a route's queue; what expires in it goes the same way.
pub(super) fn limited(name: &str, settings: &TopologySettings, dead_exchange: &str, dead_key: &str) -> Declaration {
    let mut arguments = consumed(settings, dead_exchange, dead_key);
    let max_bytes = i64::try_from(settings.queue_max_bytes).unwrap_or(i64::MAX);
    arguments.extend([
        number("x-message-ttl", milliseconds(settings.queue_ttl)),
        number("x-max-length", settings.queue_max_messages.into()),
        number("x-max-length-bytes", max_bytes),
        text("x-overflow", "reject-publish"),
    ]);
    queue(name, settings, arguments)
}

/// Where a message waits after `attempt` failed; the queue's TTL is the delay, and dead-lettering leads back into the queue
/// `back_to`.
pub(super) fn retry(name: &str, attempt: Attempt, back_to: &str, settings: &TopologySettings) -> Declaration {
    let mut arguments = dead_letters(settings, DEFAULT_EXCHANGE, back_to);
    arguments.extend([number("x-message-ttl", milliseconds(attempt.delay(settings.retry_delay)))]);
    queue(name, settings, arguments)
}

/// Where a message waits for `delay_ms` milliseconds before it goes to `exchange` by `key`. It goes when nobody has declared
/// it for a day longer than that.
pub(crate) fn delay(name: &str, delay_ms: u64, exchange: &str, key: &str, settings: &TopologySettings) -> Declaration {
    /// A task that no queue gets at its time is kept for so long by a quorum queue.
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let delay = Duration::from_millis(delay_ms);
    let mut arguments = dead_letters(settings, exchange, key);
    arguments.extend([
        number("x-message-ttl", milliseconds(delay)),
        number("x-expires", milliseconds(delay.saturating_add(DAY))),
    ]);
    queue(name, settings, arguments)
}

/// Where dead letters are kept until a person looks at them.
pub(super) fn dead(name: &str, settings: &TopologySettings) -> Declaration {
    queue(name, settings, Arguments::new())
}

/// What `exchange` routes by `key` comes into `queue`.
pub(super) fn binding(queue: &str, exchange: &str, key: &str) -> Declaration {
    Declaration::Binding { queue: queue.to_owned(), exchange: exchange.to_owned(), key: key.to_owned() }
}

/// The attempts that have a retry queue.
pub(super) fn attempts(settings: &TopologySettings) -> impl Iterator<Item = Attempt> {
    (0..settings.retries).map(Attempt::new)
}

fn consumed(settings: &TopologySettings, dead_exchange: &str, dead_key: &str) -> Arguments {
    let mut arguments = dead_letters(settings, dead_exchange, dead_key);
    if settings.queue_type == QueueType::Quorum {
        arguments.extend([number("x-delivery-limit", DELIVERY_LIMIT.into())]);
    }
    arguments
}

/// Dead-lettering that loses nothing on its way between two queues, where the queue's type can do that; RabbitMQ asks
/// for `reject-publish` with it.
fn dead_letters(settings: &TopologySettings, exchange: &str, key: &str) -> Arguments {
    let mut arguments =
        Arguments::from([text("x-dead-letter-exchange", exchange), text("x-dead-letter-routing-key", key)]);
    if settings.queue_type == QueueType::Quorum {
        arguments.extend([text("x-dead-letter-strategy", "at-least-once"), text("x-overflow", "reject-publish")]);
    }
    arguments
}

fn queue(name: &str, settings: &TopologySettings, mut arguments: Arguments) -> Declaration {
    arguments.extend([text("x-queue-type", settings.queue_type.as_str())]);
    Declaration::Queue(Queue { name: name.to_owned(), durable: true, arguments })
}

/// As an argument of a queue, which can't be longer than [`MAX_RETRY_DELAY`].
fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.min(MAX_RETRY_DELAY).as_millis()).unwrap_or(i64::from(u32::MAX))
}

/// An argument with a text.
pub(super) fn text(name: &str, value: &str) -> (String, Argument) {
    (name.to_owned(), Argument::Text(value.to_owned()))
}

fn number(name: &str, value: i64) -> (String, Argument) {
    (name.to_owned(), Argument::Number(value))
}
