//! Every routing key that the contract names.

use std::{fmt, str::FromStr};

use super::{
    Attempt, EventKey, Subscription, TaskRoute,
    route::{event_key, subscription, task_route},
};

/// A routing key, taken apart. `Display` writes it, `FromStr` reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RoutingKey {
    /// `routing.event.T.E`
    Event(EventKey),
    /// `dead.routing.T.E.to.S`
    DeadEvent(Subscription),
    /// `routing.attempt.n.T.E.to.S`
    EventRetry(Subscription, Attempt),
    /// `routing.task.A.E`
    Task(TaskRoute),
    /// `dead.routing.A.E`
    DeadTask(TaskRoute),
    /// `routing.attempt.n.A.E`
    TaskRetry(TaskRoute, Attempt),
}

impl fmt::Display for RoutingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(EventKey { event_type, entity }) => write!(f, "routing.event.{event_type}.{entity}"),
            Self::DeadEvent(Subscription { event, service }) => {
                write!(f, "dead.routing.{}.{}.to.{service}", event.event_type, event.entity)
            }
            Self::EventRetry(subscription, n) => write!(f, "routing.{}", subscription.retry_queue(*n)),
            Self::Task(TaskRoute { action, entity }) => write!(f, "routing.task.{action}.{entity}"),
            Self::DeadTask(TaskRoute { action, entity }) => write!(f, "dead.routing.{action}.{entity}"),
            Self::TaskRetry(route, n) => write!(f, "routing.{}", route.retry_queue(*n)),
        }
    }
}

/// The text is no routing key that the contract knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no routing key of the contract")]
pub struct UnknownRoutingKey(pub String);

impl FromStr for RoutingKey {
    type Err = UnknownRoutingKey;

    fn from_str(text: &str) -> Result<Self, UnknownRoutingKey> {
        let parts: Vec<&str> = text.split('.').collect();
        let read = || match parts.as_slice() {
            ["routing", "event", event_type, entity] => Some(Self::Event(event_key(event_type, entity)?)),
            ["routing", "task", action, entity] => Some(Self::Task(task_route(action, entity)?)),
            ["dead", "routing", action, entity] => Some(Self::DeadTask(task_route(action, entity)?)),
            ["dead", "routing", rest @ ..] => Some(Self::DeadEvent(subscription(rest)?)),
            ["routing", "attempt", n, action, entity] => {
                Some(Self::TaskRetry(task_route(action, entity)?, n.parse().ok()?))
            }
            ["routing", "attempt", n, rest @ ..] => Some(Self::EventRetry(subscription(rest)?, n.parse().ok()?)),
            _ => None,
        };
        read().ok_or_else(|| UnknownRoutingKey(text.to_owned()))
    }
}
