//! What the service needs.

use std::{collections::BTreeMap, time::Duration};

use super::{Argument, Declaration, Exchange, ExchangeType, Queue, QueueType, TopologySettings};
use crate::names::{
    Attempt, DEAD_EVENT_EXCHANGE, DEAD_EVENT_STORE_QUEUE, DEAD_TASK_EXCHANGE, DEAD_TASKS_QUEUE, DEFAULT_EXCHANGE,
    EVENT_EXCHANGE, EVENT_STORE_BINDING, EVENT_STORE_QUEUE, TASK_EXCHANGE, TASK_UNROUTED_EXCHANGE, TASKS_QUEUE,
    tasks_retry_queue,
};

/// The longest time that a message waits for a retry: RabbitMQ keeps a TTL in 32 bits of milliseconds.
pub const MAX_RETRY_DELAY: Duration = Duration::from_millis(u32::MAX as u64);

/// So often a message may come back to a quorum queue, given back or with a lost connection, before RabbitMQ takes it for
/// poison and dead-letters it. The default of RabbitMQ 4; older ones have none.
const DELIVERY_LIMIT: i64 = 20;

type Arguments = BTreeMap<String, Argument>;

/// Everything that the service needs, in an order in which it can be declared.
pub fn plan(settings: &TopologySettings) -> Vec<Declaration> {
    let mut plan = exchanges(settings);
    plan.push(queue(DEAD_TASKS_QUEUE, settings, Arguments::new()));
    plan.push(binding(DEAD_TASKS_QUEUE, DEAD_TASK_EXCHANGE, DEAD_TASKS_QUEUE));
    plan.push(main_queue(TASKS_QUEUE, settings, DEAD_TASK_EXCHANGE, DEAD_TASKS_QUEUE));
    plan.push(binding(TASKS_QUEUE, TASK_UNROUTED_EXCHANGE, ""));
    plan.extend((0..settings.retries).map(|n| retry_queue(Attempt::new(n), settings)));
    plan.push(queue(DEAD_EVENT_STORE_QUEUE, settings, Arguments::new()));
    plan.push(binding(DEAD_EVENT_STORE_QUEUE, DEAD_EVENT_EXCHANGE, DEAD_EVENT_STORE_QUEUE));
    plan.push(main_queue(EVENT_STORE_QUEUE, settings, DEAD_EVENT_EXCHANGE, DEAD_EVENT_STORE_QUEUE));
    plan.push(binding(EVENT_STORE_QUEUE, EVENT_EXCHANGE, EVENT_STORE_BINDING));
    plan
}

fn exchanges(settings: &TopologySettings) -> Vec<Declaration> {
    let exchange = |name: &str, kind, arguments| {
        Declaration::Exchange(Exchange {
            name: name.to_owned(),
            kind,
            durable: settings.durable_exchanges,
            auto_delete: false,
            arguments,
        })
    };
    let unrouted = Arguments::from([text("alternate-exchange", TASK_UNROUTED_EXCHANGE)]);
    vec![
        exchange(EVENT_EXCHANGE, ExchangeType::Topic, Arguments::new()),
        exchange(DEAD_EVENT_EXCHANGE, ExchangeType::Topic, Arguments::new()),
        // Before the exchange that names it as its alternate.
        exchange(TASK_UNROUTED_EXCHANGE, ExchangeType::Fanout, Arguments::new()),
        exchange(TASK_EXCHANGE, ExchangeType::Direct, unrouted),
        exchange(DEAD_TASK_EXCHANGE, ExchangeType::Direct, Arguments::new()),
    ]
}

/// A queue without limits; what expires in it or kills its consumers goes to `dead_exchange` by `dead_key`.
fn main_queue(name: &str, settings: &TopologySettings, dead_exchange: &str, dead_key: &str) -> Declaration {
    let mut arguments = dead_letters(settings, dead_exchange, dead_key);
    if settings.queue_type == QueueType::Quorum {
        arguments.extend([number("x-delivery-limit", DELIVERY_LIMIT)]);
    }
    queue(name, settings, arguments)
}

/// Where a task waits after `attempt` failed; the queue's TTL is the delay, and dead-lettering leads back into `tasks`.
fn retry_queue(attempt: Attempt, settings: &TopologySettings) -> Declaration {
    let delay = attempt.delay(settings.retry_delay).min(MAX_RETRY_DELAY);
    let mut arguments = dead_letters(settings, DEFAULT_EXCHANGE, TASKS_QUEUE);
    let delay_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::from(u32::MAX));
    arguments.extend([number("x-message-ttl", delay_ms)]);
    queue(&tasks_retry_queue(attempt), settings, arguments)
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

fn binding(queue: &str, exchange: &str, key: &str) -> Declaration {
    Declaration::Binding { queue: queue.to_owned(), exchange: exchange.to_owned(), key: key.to_owned() }
}

fn text(name: &str, value: &str) -> (String, Argument) {
    (name.to_owned(), Argument::Text(value.to_owned()))
}

fn number(name: &str, value: i64) -> (String, Argument) {
    (name.to_owned(), Argument::Number(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(settings: &TopologySettings) -> String {
        plan(settings).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_default_plan() {
        assert_eq!(shown(&TopologySettings::default()), include_str!("plan_default.txt").trim_end());
    }

    #[test]
    fn classic_queues_without_retries_on_transient_exchanges() {
        let settings = TopologySettings {
            durable_exchanges: false,
            queue_type: QueueType::Classic,
            retries: 0,
            retry_delay: Duration::ZERO,
        };
        let shown = shown(&settings);
        assert!(
            !shown.contains("attempt.") && !shown.contains("quorum") && !shown.contains("at-least-once"),
            "{shown}"
        );
        assert!(shown.contains("exchange event.exchange (topic) transient"), "{shown}");
    }

    #[test]
    fn a_long_delay_stays_within_what_rabbitmq_can_keep() {
        let settings = TopologySettings { retries: 40, ..TopologySettings::default() };
        assert!(shown(&settings).contains("queue attempt.39.tasks durable"));
        assert!(shown(&settings).contains("x-message-ttl=4294967295"));
    }
}
