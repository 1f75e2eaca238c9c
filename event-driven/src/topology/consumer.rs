//! What a service needs that consumes: a subscriber's queue or a route's, with what belongs to it.

use super::{Declaration, TopologySettings, queues};
use crate::names::{
    Attempt, DEAD_EVENT_EXCHANGE, DEAD_TASK_EXCHANGE, EVENT_EXCHANGE, Subscription, TASK_EXCHANGE, TaskRoute,
};

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
            queues::dead(&self.dead_queue, settings),
            queues::binding(&self.dead_queue, self.dead_exchange, &self.dead_key),
            queues::limited(&self.queue, settings, self.dead_exchange, &self.dead_key),
        ];
        for n in queues::attempts(settings) {
            let (name, key) = retry_queue(n);
            plan.push(queues::retry(&name, n, &self.queue, settings));
            plan.push(queues::binding(&name, self.dead_exchange, &key));
        }
        // Last: what comes finds all that it may need.
        plan.push(queues::binding(&self.queue, self.exchange, &self.key));
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{Action, Entity, EventKey, EventType, Service};

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
}
