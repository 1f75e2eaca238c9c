//! Every row of the contract's table of names, and that each name reads back as what it was made of.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use event_driven::names::{
    self, Action, Attempt, Entity, EventKey, EventType, Priority, QueueName, RoutingKey, Service, Subscription,
    TaskRoute,
};
use proptest::prelude::*;

fn event() -> EventKey {
    EventKey { event_type: EventType::Create, entity: Entity::new("user").unwrap() }
}

fn subscription() -> Subscription {
    Subscription { event: event(), service: Service::new("mail").unwrap() }
}

fn route() -> TaskRoute {
    TaskRoute { action: Action::new("process").unwrap(), entity: Entity::new("order").unwrap() }
}

#[test]
fn every_row_of_the_contract() {
    let n = Attempt::new(2);
    for (made, contract) in [
        (event().routing_key(), "routing.event.create.user"),
        (event().binding_key(), "routing.event.create.user.#"),
        (subscription().queue(), "event.create.user.to.mail"),
        (subscription().dead_queue(), "dead.event.create.user.to.mail"),
        (subscription().dead_routing_key(), "dead.routing.create.user.to.mail"),
        (subscription().retry_queue(n), "attempt.2.create.user.to.mail"),
        (subscription().retry_routing_key(n), "routing.attempt.2.create.user.to.mail"),
        (names::EVENT_STORE_QUEUE.to_owned(), "event.store"),
        (names::EVENT_STORE_BINDING.to_owned(), "#"),
        (names::DEAD_EVENT_STORE_QUEUE.to_owned(), "dead.event.store"),
        (route().routing_key(), "routing.task.process.order"),
        (names::TASKS_QUEUE.to_owned(), "tasks"),
        (names::DEAD_TASKS_QUEUE.to_owned(), "dead.tasks"),
        (Priority::Normal.retry_queue(n), "attempt.2.tasks"),
        (Priority::Normal.queue().to_owned(), "tasks"),
        (route().queue(), "task.process.order"),
        (route().dead_queue(), "dead.task.process.order"),
        (route().dead_routing_key(), "dead.routing.process.order"),
        (route().retry_queue(n), "attempt.2.process.order"),
        (route().retry_routing_key(n), "routing.attempt.2.process.order"),
    ] {
        assert_eq!(made, contract);
    }
}

#[test]
fn the_queues_of_classes_are_none_that_a_route_or_a_subscriber_can_have() {
    for (class, queue) in [(Priority::High, "tasks.priority.high"), (Priority::Low, "tasks.priority.low")] {
        assert_eq!(class.queue(), queue);
        assert_eq!(class.routing_key(), Some(format!("routing.{queue}")).as_deref());
        assert_eq!(class.retry_queue(Attempt::new(2)), format!("attempt.2.{queue}"));
        assert!(class.routing_key().unwrap().parse::<RoutingKey>().is_err());
    }
    assert_eq!(Priority::Normal.routing_key(), None);
    assert!("tasks.priority.normal".parse::<QueueName>().is_err());
}

#[test]
fn exchanges_and_defaults_of_the_contract() {
    assert_eq!(names::EVENT_EXCHANGE, "event.exchange");
    assert_eq!(names::DEAD_EVENT_EXCHANGE, "dead.event.exchange");
    assert_eq!(names::TASK_EXCHANGE, "task.exchange");
    assert_eq!(names::DEAD_TASK_EXCHANGE, "dead.task.exchange");
    assert_eq!(names::TASK_UNROUTED_EXCHANGE, "task.unrouted.exchange");
    assert_eq!(names::RETRIES, 3);
    assert_eq!(names::RETRY_DELAY.as_secs(), 3);
    assert_eq!(names::QUEUE_TTL.as_secs(), 86_400);
    assert_eq!((names::QUEUE_MAX_MESSAGES, names::QUEUE_MAX_BYTES), (10_000, 104_857_600));
}

const SNAKE: &str = "[a-z][a-z0-9]{0,20}(_[a-z0-9]{1,10}){0,3}";

fn any_subscription() -> impl Strategy<Value = Subscription> {
    (proptest::sample::select(EventType::ALL.to_vec()), SNAKE, "[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}").prop_map(
        |(event_type, entity, service)| Subscription {
            event: EventKey { event_type, entity: Entity::new(entity).unwrap() },
            service: Service::new(service).unwrap(),
        },
    )
}

fn any_route() -> impl Strategy<Value = TaskRoute> {
    (SNAKE, SNAKE).prop_map(|(action, entity)| TaskRoute {
        action: Action::new(action).unwrap(),
        entity: Entity::new(entity).unwrap(),
    })
}

proptest! {
    #[test]
    fn queue_names_read_back(
        s in any_subscription(), r in any_route(), n: u32, p in proptest::sample::select(Priority::ALL.to_vec()),
    ) {
        let n = Attempt::new(n);
        for name in [
            QueueName::EventStore, QueueName::DeadEventStore, QueueName::Tasks(p), QueueName::DeadTasks,
            QueueName::TasksRetry(p, n), QueueName::Subscription(s.clone()), QueueName::DeadSubscription(s.clone()),
            QueueName::SubscriptionRetry(s, n), QueueName::Route(r.clone()), QueueName::DeadRoute(r.clone()),
            QueueName::RouteRetry(r, n),
        ] {
            let text = name.to_string();
            prop_assert!(text.len() <= 255, "{text}");
            prop_assert_eq!(text.parse::<QueueName>(), Ok(name));
        }
    }

    #[test]
    fn routing_keys_read_back(s in any_subscription(), r in any_route(), n: u32) {
        let n = Attempt::new(n);
        for key in [
            RoutingKey::Event(s.event.clone()), RoutingKey::DeadEvent(s.clone()), RoutingKey::EventRetry(s, n),
            RoutingKey::Task(r.clone()), RoutingKey::DeadTask(r.clone()), RoutingKey::TaskRetry(r, n),
        ] {
            let text = key.to_string();
            prop_assert!(text.len() <= 255, "{text}");
            prop_assert_eq!(text.parse::<RoutingKey>(), Ok(key));
        }
    }

    #[test]
    fn what_reads_back_is_written_the_same(text in "[a-z.0-9_-]{0,40}") {
        if let Ok(name) = text.parse::<QueueName>() {
            prop_assert_eq!(name.to_string(), text);
        } else if let Ok(key) = text.parse::<RoutingKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }
}
