//! What warren needs, and the exchanges that everybody needs.

use super::{
    Declaration, Exchange, ExchangeType, TopologySettings,
    queues::{self, Arguments, binding, text},
};
use crate::names::{
    DEAD_EVENT_EXCHANGE, DEAD_EVENT_STORE_QUEUE, DEAD_TASK_EXCHANGE, DEAD_TASKS_QUEUE, EVENT_EXCHANGE,
    EVENT_STORE_BINDING, EVENT_STORE_QUEUE, Priority, TASK_EXCHANGE, TASK_UNROUTED_EXCHANGE, TASKS_QUEUE,
};

/// Everything that warren needs, in an order in which it can be declared.
pub fn plan(settings: &TopologySettings) -> Vec<Declaration> {
    let mut plan = exchanges(settings);
    plan.push(queues::dead(DEAD_TASKS_QUEUE, settings));
    plan.push(binding(DEAD_TASKS_QUEUE, DEAD_TASK_EXCHANGE, DEAD_TASKS_QUEUE));
    for class in Priority::ALL {
        plan.push(queues::unlimited(class.queue(), settings, DEAD_TASK_EXCHANGE, DEAD_TASKS_QUEUE));
        plan.extend(class.routing_key().map(|key| binding(class.queue(), TASK_EXCHANGE, key)));
        let retry_queue = |n| queues::retry(&class.retry_queue(n), n, class.queue(), settings);
        plan.extend(queues::attempts(settings).map(retry_queue));
    }
    if settings.task_keys.is_empty() {
        plan.push(binding(TASKS_QUEUE, TASK_UNROUTED_EXCHANGE, ""));
    }
    plan.extend(settings.task_keys.iter().map(|key| binding(TASKS_QUEUE, TASK_EXCHANGE, key)));
    plan.push(queues::dead(DEAD_EVENT_STORE_QUEUE, settings));
    plan.push(binding(DEAD_EVENT_STORE_QUEUE, DEAD_EVENT_EXCHANGE, DEAD_EVENT_STORE_QUEUE));
    plan.push(queues::unlimited(EVENT_STORE_QUEUE, settings, DEAD_EVENT_EXCHANGE, DEAD_EVENT_STORE_QUEUE));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::topology::QueueType;

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
