//! What warren needs, and what a subscriber or a route needs.

use std::{collections::BTreeMap, time::Duration};

use super::{Argument, Declaration, Exchange, ExchangeType, Queue, QueueType, TopologySettings};
use crate::names::{
    Attempt, DEAD_EVENT_EXCHANGE, DEAD_EVENT_STORE_QUEUE, DEAD_TASK_EXCHANGE, DEAD_TASKS_QUEUE, DEFAULT_EXCHANGE,
    EVENT_EXCHANGE, EVENT_STORE_BINDING, EVENT_STORE_QUEUE, Subscription, TASK_EXCHANGE, TASK_UNROUTED_EXCHANGE,
    TASKS_QUEUE, TaskRoute, tasks_retry_queue,
};

/// The longest time that a message waits for a retry: RabbitMQ keeps a TTL in 32 bits of milliseconds.
pub const MAX_RETRY_DELAY: Duration = Duration::from_millis(u32::MAX as u64);

/// So often a message may come back to a quorum queue, given back or with a lost connection, before RabbitMQ takes it for
/// poison and dead-letters it. The default of RabbitMQ 4; older ones have none.
const DELIVERY_LIMIT: i64 = 20;

type Arguments = BTreeMap<String, Argument>;

/// Everything that warren needs, in an order in which it can be declared.
pub fn plan(settings: &TopologySettings) -> Vec<Declaration> {
    let mut plan = exchanges(settings);
    plan.push(queue(DEAD_TASKS_QUEUE, settings, Arguments::new()));
    plan.push(binding(DEAD_TASKS_QUEUE, DEAD_TASK_EXCHANGE, DEAD_TASKS_QUEUE));
    plan.push(unlimited_queue(TASKS_QUEUE, settings, DEAD_TASK_EXCHANGE, DEAD_TASKS_QUEUE));
    if settings.task_keys.is_empty() {
        plan.push(binding(TASKS_QUEUE, TASK_UNROUTED_EXCHANGE, ""));
    }
    plan.extend(settings.task_keys.iter().map(|key| binding(TASKS_QUEUE, TASK_EXCHANGE, key)));
    let retry_queue = |n| retry_queue(&tasks_retry_queue(n), n, TASKS_QUEUE, settings);
    plan.extend(attempts(settings).map(retry_queue));
    plan.push(queue(DEAD_EVENT_STORE_QUEUE, settings, Arguments::new()));
    plan.push(binding(DEAD_EVENT_STORE_QUEUE, DEAD_EVENT_EXCHANGE, DEAD_EVENT_STORE_QUEUE));
    plan.push(unlimited_queue(EVENT_STORE_QUEUE, settings, DEAD_EVENT_EXCHANGE, DEAD_EVENT_STORE_QUEUE));
    plan.push(binding(EVENT_STORE_QUEUE, EVENT_EXCHANGE, EVENT_STORE_BINDING));
    plan
}

/// The exchanges, which is all that a service needs that only publishes.
pub fn exchanges(settings: &TopologySettings) -> Vec<Declaration> {
    let exchange = |name: &str, kind, arguments| {
        Declaration::Exchange(Exchange {
            name: name.to_owned(),
            kind,
            durable: settings.durable_exchanges,
            auto_delete: false,
            arguments,
        })
    };
    let unrouted = match settings.task_keys.as_slice() {
        [] => Arguments::from([text("alternate-exchange", TASK_UNROUTED_EXCHANGE)]),
        _ => Arguments::new(),
    };
    vec![
        exchange(EVENT_EXCHANGE, ExchangeType::Topic, Arguments::new()),
        exchange(DEAD_EVENT_EXCHANGE, ExchangeType::Topic, Arguments::new()),
        // Before the exchange that names it as its alternate.
        exchange(TASK_UNROUTED_EXCHANGE, ExchangeType::Fanout, Arguments::new()),
        exchange(TASK_EXCHANGE, ExchangeType::Direct, unrouted),
        exchange(DEAD_TASK_EXCHANGE, ExchangeType::Direct, Arguments::new()),
    ]
}

/// What a subscriber needs beside the exchanges: its queue, its dead-letter queue and its retry queues.
pub fn subscription(of: &Subscription, settings: &TopologySettings) -> Vec<Declaration> {
    let consumer = Consumer {
        queue: of.queue(),
        exchange: EVENT_EXCHANGE,
        key: of.event.binding_key(),
        dead_queue: of.dead_queue(),
        dead_exchange: DEAD_EVENT_EXCHANGE,
        dead_key: of.dead_routing_key(),
    };
    consumer.plan(settings, |n| (of.retry_queue(n), of.retry_routing_key(n)))
}

/// What a service needs beside the exchanges that executes the tasks of a route.
pub fn route(of: &TaskRoute, settings: &TopologySettings) -> Vec<Declaration> {
    let consumer = Consumer {
        queue: of.queue(),
        exchange: TASK_EXCHANGE,
        key: of.routing_key(),
        dead_queue: of.dead_queue(),
        dead_exchange: DEAD_TASK_EXCHANGE,
        dead_key: of.dead_routing_key(),
    };
    consumer.plan(settings, |n| (of.retry_queue(n), of.retry_routing_key(n)))
}

/// The names of a queue with limits, and of what belongs to it.
struct Consumer {
    queue: String,
    exchange: &'static str,
    key: String,
    dead_queue: String,
    dead_exchange: &'static str,
    dead_key: String,
}

impl Consumer {
    /// `retry_queue` gives the queue and the key of an attempt. The key leads there by the dead-letter exchange, for other
    /// programs; what this crate copies there goes by the queue's name, so that nobody else sees it.
    fn plan(&self, settings: &TopologySettings, retry_queue: impl Fn(Attempt) -> (String, String)) -> Vec<Declaration> {
        let mut plan = vec![
            queue(&self.dead_queue, settings, Arguments::new()),
            binding(&self.dead_queue, self.dead_exchange, &self.dead_key),
            self.limited_queue(settings),
        ];
        for n in attempts(settings) {
            let (name, key) = retry_queue(n);
            plan.push(self::retry_queue(&name, n, &self.queue, settings));
            plan.push(binding(&name, self.dead_exchange, &key));
        }
        // Last: what comes finds all that it may need.
        plan.push(binding(&self.queue, self.exchange, &self.key));
        plan
    }

    fn limited_queue(&self, settings: &TopologySettings) -> Declaration {
        let mut arguments = consumed(settings, self.dead_exchange, &self.dead_key);
        let max_bytes = i64::try_from(settings.queue_max_bytes).unwrap_or(i64::MAX);
        arguments.extend([
            number("x-message-ttl", milliseconds(settings.queue_ttl)),
            number("x-max-length", settings.queue_max_messages.into()),
            number("x-max-length-bytes", max_bytes),
            text("x-overflow", "reject-publish"),
        ]);
        queue(&self.queue, settings, arguments)
    }
}

fn attempts(settings: &TopologySettings) -> impl Iterator<Item = Attempt> {
    (0..settings.retries).map(Attempt::new)
}

/// A queue without limits; what expires in it or kills its consumers goes to `dead_exchange` by `dead_key`.
fn unlimited_queue(name: &str, settings: &TopologySettings, dead_exchange: &str, dead_key: &str) -> Declaration {
    queue(name, settings, consumed(settings, dead_exchange, dead_key))
}

/// The arguments of a queue that is consumed.
fn consumed(settings: &TopologySettings, dead_exchange: &str, dead_key: &str) -> Arguments {
    let mut arguments = dead_letters(settings, dead_exchange, dead_key);
    if settings.queue_type == QueueType::Quorum {
        arguments.extend([number("x-delivery-limit", DELIVERY_LIMIT)]);
    }
    arguments
}

/// Where a message waits after `attempt` failed; the queue's TTL is the delay, and dead-lettering leads back into the queue
/// `back_to`.
fn retry_queue(name: &str, attempt: Attempt, back_to: &str, settings: &TopologySettings) -> Declaration {
    let mut arguments = dead_letters(settings, DEFAULT_EXCHANGE, back_to);
    arguments.extend([number("x-message-ttl", milliseconds(attempt.delay(settings.retry_delay)))]);
    queue(name, settings, arguments)
}

/// As an argument of a queue, which can't be longer than [`MAX_RETRY_DELAY`].
fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.min(MAX_RETRY_DELAY).as_millis()).unwrap_or(i64::from(u32::MAX))
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
    use crate::names::{Action, Entity, EventKey, EventType, Service};

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
            ..TopologySettings::default()
        };
        let shown = shown(&settings);
        assert!(
            !shown.contains("attempt.") && !shown.contains("quorum") && !shown.contains("at-least-once"),
            "{shown}"
        );
        assert!(shown.contains("exchange event.exchange (topic) transient"), "{shown}");
    }

    #[test]
    fn what_a_subscriber_and_a_route_need() {
        let event = EventKey { event_type: EventType::Create, entity: Entity::new("user").unwrap() };
        let of = Subscription { event, service: Service::new("billing").unwrap() };
        let of_route = TaskRoute { action: Action::new("process").unwrap(), entity: Entity::new("order").unwrap() };
        let settings = TopologySettings { retries: 1, ..TopologySettings::default() };
        let plan = subscription(&of, &settings).into_iter().chain(route(&of_route, &settings));
        let shown: String = plan.map(|declaration| format!("{declaration}\n")).collect();
        assert_eq!(shown, include_str!("plan_consumers.txt"));
    }

    #[test]
    fn named_keys_in_place_of_the_alternate_exchange() {
        let settings = TopologySettings { task_keys: vec!["a".to_owned(), "b".to_owned()], ..Default::default() };
        let shown = shown(&settings);
        assert!(!shown.contains("alternate-exchange") && !shown.contains("tasks to task.unrouted.exchange"), "{shown}");
        assert!(
            shown
                .contains("binding of tasks to task.exchange by key 'a'\nbinding of tasks to task.exchange by key 'b'")
        );
    }

    #[test]
    fn a_long_delay_stays_within_what_rabbitmq_can_keep() {
        let settings = TopologySettings { retries: 40, ..TopologySettings::default() };
        assert!(shown(&settings).contains("queue attempt.39.tasks durable"));
        assert!(shown(&settings).contains("x-message-ttl=4294967295"));
    }
}
