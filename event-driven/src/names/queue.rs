//! Every queue that the contract names.

use std::{fmt, str::FromStr};

use super::{
    Attempt, DEAD_EVENT_STORE_QUEUE, DEAD_TASKS_QUEUE, EVENT_STORE_QUEUE, Priority, Subscription, TaskRoute,
    route::{subscription, task_route},
};

/// A queue's name, taken apart. `Display` writes it, `FromStr` reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum QueueName {
    /// `event.store`
    EventStore,
    /// `dead.event.store`
    DeadEventStore,
    /// `tasks`, `tasks.priority.high`
    Tasks(Priority),
    /// `dead.tasks`
    DeadTasks,
    /// `attempt.n.tasks`, `attempt.n.tasks.priority.high`
    TasksRetry(Priority, Attempt),
    /// `event.T.E.to.S`
    Subscription(Subscription),
    /// `dead.event.T.E.to.S`
    DeadSubscription(Subscription),
    /// `attempt.n.T.E.to.S`
    SubscriptionRetry(Subscription, Attempt),
    /// `task.A.E`
    Route(TaskRoute),
    /// `dead.task.A.E`
    DeadRoute(TaskRoute),
    /// `attempt.n.A.E`
    RouteRetry(TaskRoute, Attempt),
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EventStore => f.write_str(EVENT_STORE_QUEUE),
            Self::DeadEventStore => f.write_str(DEAD_EVENT_STORE_QUEUE),
            Self::Tasks(priority) => f.write_str(priority.queue()),
            Self::DeadTasks => f.write_str(DEAD_TASKS_QUEUE),
            Self::TasksRetry(priority, n) => write!(f, "attempt.{n}.{}", priority.queue()),
            Self::Subscription(Subscription { event, service }) => {
                write!(f, "event.{}.{}.to.{service}", event.event_type, event.entity)
            }
            Self::DeadSubscription(subscription) => write!(f, "dead.{}", subscription.queue()),
            Self::SubscriptionRetry(Subscription { event, service }, n) => {
                write!(f, "attempt.{n}.{}.{}.to.{service}", event.event_type, event.entity)
            }
            Self::Route(TaskRoute { action, entity }) => write!(f, "task.{action}.{entity}"),
            Self::DeadRoute(route) => write!(f, "dead.{}", route.queue()),
            Self::RouteRetry(TaskRoute { action, entity }, n) => write!(f, "attempt.{n}.{action}.{entity}"),
        }
    }
}

/// The text is no queue's name that the contract knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no queue's name of the contract")]
pub struct UnknownQueue(pub String);

impl FromStr for QueueName {
    type Err = UnknownQueue;

    fn from_str(text: &str) -> Result<Self, UnknownQueue> {
        let parts: Vec<&str> = text.split('.').collect();
        let read = || match parts.as_slice() {
            ["event", "store"] => Some(Self::EventStore),
            ["dead", "event", "store"] => Some(Self::DeadEventStore),
            ["tasks"] => Some(Self::Tasks(Priority::Normal)),
            ["tasks", "priority", class] => Some(Self::Tasks(class_of_its_own(class)?)),
            ["dead", "tasks"] => Some(Self::DeadTasks),
            ["attempt", n, "tasks"] => Some(Self::TasksRetry(Priority::Normal, n.parse().ok()?)),
            ["attempt", n, "tasks", "priority", class] => {
                Some(Self::TasksRetry(class_of_its_own(class)?, n.parse().ok()?))
            }
            ["attempt", n, action, entity] => Some(Self::RouteRetry(task_route(action, entity)?, n.parse().ok()?)),
            ["attempt", n, rest @ ..] => Some(Self::SubscriptionRetry(subscription(rest)?, n.parse().ok()?)),
            ["task", action, entity] => Some(Self::Route(task_route(action, entity)?)),
            ["dead", "task", action, entity] => Some(Self::DeadRoute(task_route(action, entity)?)),
            ["event", rest @ ..] => Some(Self::Subscription(subscription(rest)?)),
            ["dead", "event", rest @ ..] => Some(Self::DeadSubscription(subscription(rest)?)),
            _ => None,
        };
        read().ok_or_else(|| UnknownQueue(text.to_owned()))
    }
}

/// A class whose queue has its name.
fn class_of_its_own(text: &str) -> Option<Priority> {
    text.parse().ok().filter(|class| *class != Priority::Normal)
}
