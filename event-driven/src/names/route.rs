//! Who gets what: an event's key, a subscriber's queues, a route's queues.

use super::{Action, Attempt, Entity, EventType, QueueName, RoutingKey, Service};

/// What an event tells: `T` and `E` of the names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventKey {
    /// What happened.
    pub event_type: EventType,
    /// To what.
    pub entity: Entity,
}

impl EventKey {
    /// The key as published: `routing.event.T.E`.
    pub fn routing_key(&self) -> String {
        RoutingKey::Event(self.clone()).to_string()
    }

    /// The key with which a subscriber binds its queue: `routing.event.T.E.#`.
    pub fn binding_key(&self) -> String {
        format!("{}.#", self.routing_key())
    }
}

/// One service's subscription to one kind of event: `T`, `E` and `S` of the names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// What it subscribes to.
    pub event: EventKey,
    /// Who subscribes.
    pub service: Service,
}

impl Subscription {
    /// Its queue: `event.T.E.to.S`.
    pub fn queue(&self) -> String {
        QueueName::Subscription(self.clone()).to_string()
    }

    /// Its dead-letter queue: `dead.event.T.E.to.S`.
    pub fn dead_queue(&self) -> String {
        QueueName::DeadSubscription(self.clone()).to_string()
    }

    /// The key of its dead-letter queue: `dead.routing.T.E.to.S`.
    pub fn dead_routing_key(&self) -> String {
        RoutingKey::DeadEvent(self.clone()).to_string()
    }

    /// The queue in which a message waits after `attempt` failed: `attempt.n.T.E.to.S`.
    pub fn retry_queue(&self, attempt: Attempt) -> String {
        QueueName::SubscriptionRetry(self.clone(), attempt).to_string()
    }

    /// The key of that queue: `routing.attempt.n.T.E.to.S`.
    pub fn retry_routing_key(&self, attempt: Attempt) -> String {
        RoutingKey::EventRetry(self.clone(), attempt).to_string()
    }
}

/// A kind of task with a queue of its own: `A` and `E` of the names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskRoute {
    /// What is done.
    pub action: Action,
    /// To what.
    pub entity: Entity,
}

impl TaskRoute {
    /// The key as published: `routing.task.A.E`.
    pub fn routing_key(&self) -> String {
        RoutingKey::Task(self.clone()).to_string()
    }

    /// Its queue: `task.A.E`.
    pub fn queue(&self) -> String {
        QueueName::Route(self.clone()).to_string()
    }

    /// Its dead-letter queue: `dead.task.A.E`.
    pub fn dead_queue(&self) -> String {
        QueueName::DeadRoute(self.clone()).to_string()
    }

    /// The key of its dead-letter queue: `dead.routing.A.E`.
    pub fn dead_routing_key(&self) -> String {
        RoutingKey::DeadTask(self.clone()).to_string()
    }

    /// The queue in which a message waits after `attempt` failed: `attempt.n.A.E`.
    pub fn retry_queue(&self, attempt: Attempt) -> String {
        QueueName::RouteRetry(self.clone(), attempt).to_string()
    }

    /// The key of that queue: `routing.attempt.n.A.E`.
    pub fn retry_routing_key(&self, attempt: Attempt) -> String {
        RoutingKey::TaskRetry(self.clone(), attempt).to_string()
    }
}

/// Reads `T`, `E`, `to`, `S`.
pub(super) fn subscription(parts: &[&str]) -> Option<Subscription> {
    match parts {
        [event_type, entity, "to", service] => {
            Some(Subscription { event: event_key(event_type, entity)?, service: service.parse().ok()? })
        }
        _ => None,
    }
}

/// Reads `T` and `E`.
pub(super) fn event_key(event_type: &str, entity: &str) -> Option<EventKey> {
    Some(EventKey { event_type: event_type.parse().ok()?, entity: entity.parse().ok()? })
}

/// Reads `A` and `E`.
pub(super) fn task_route(action: &str, entity: &str) -> Option<TaskRoute> {
    Some(TaskRoute { action: action.parse().ok()?, entity: entity.parse().ok()? })
}
