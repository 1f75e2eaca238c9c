//! The names that travel over the wire: exchanges, queues, routing keys, headers, and the defaults of the topology.
//!
//! Names are made from types that can't hold a bad part ([`Entity`], [`Action`], [`Service`], [`EventType`],
//! [`Attempt`]), so a name that was made is a name that is right; [`QueueName`] and [`RoutingKey`] read them back.
//! Every constant here is fixed by the wire contract: other programs rely on it.

mod attempt;
mod event_type;
mod key;
mod priority;
mod queue;
mod route;
mod task_name;
mod word;

use std::time::Duration;

pub use attempt::{Attempt, AttemptError};
pub use event_type::{EventType, UnknownEventType};
pub use key::{RoutingKey, UnknownRoutingKey};
pub use priority::{Priority, UnknownPriority};
pub use queue::{QueueName, UnknownQueue};
pub use route::{EventKey, Subscription, TaskRoute};
pub use task_name::{TaskName, TaskNameError};
pub use word::{Action, Entity, Service, WordError};

/// Carries events (topic).
pub const EVENT_EXCHANGE: &str = "event.exchange";
/// Carries events that could not be handled (topic).
pub const DEAD_EVENT_EXCHANGE: &str = "dead.event.exchange";
/// Carries tasks (direct). What no queue is bound for goes on to [`TASK_UNROUTED_EXCHANGE`].
pub const TASK_EXCHANGE: &str = "task.exchange";
/// Carries tasks that could not be handled (direct).
pub const DEAD_TASK_EXCHANGE: &str = "dead.task.exchange";
/// Alternate exchange of [`TASK_EXCHANGE`] (fanout).
pub const TASK_UNROUTED_EXCHANGE: &str = "task.unrouted.exchange";
/// The exchange with the empty name, which routes to the queue that has the routing key's name.
pub const DEFAULT_EXCHANGE: &str = "";

/// The queue of all tasks without a route.
pub const TASKS_QUEUE: &str = "tasks";
/// Where tasks of [`TASKS_QUEUE`] go that could not be handled.
pub const DEAD_TASKS_QUEUE: &str = "dead.tasks";
/// The queue of all events.
pub const EVENT_STORE_QUEUE: &str = "event.store";
/// Where events of [`EVENT_STORE_QUEUE`] go that could not be handled.
pub const DEAD_EVENT_STORE_QUEUE: &str = "dead.event.store";
/// The binding key of [`EVENT_STORE_QUEUE`]: every event.
pub const EVENT_STORE_BINDING: &str = "#";

/// Retries before a message is dead: at most four attempts.
pub const RETRIES: u32 = 3;
/// Delay before the first retry; doubled for each that follows.
pub const RETRY_DELAY: Duration = Duration::from_secs(3);
/// The longest time that a task may wait before it is executed.
pub const MAX_TASK_DELAY: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The longest time for which a task may ask that no other one like it is executed.
pub const MAX_UNIQUE_FOR: Duration = MAX_TASK_DELAY;
/// Longest stay of a message in a subscriber's or a route's queue.
pub const QUEUE_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Most messages in a subscriber's or a route's queue.
pub const QUEUE_MAX_MESSAGES: u32 = 10_000;
/// Most bytes in a subscriber's or a route's queue: 100 MiB.
pub const QUEUE_MAX_BYTES: u64 = 100 * 1024 * 1024;

/// Names of the message headers that the service reads or writes.
pub mod header {
    /// The program that published the message.
    pub const PRODUCER_APP: &str = "producer_app";
    /// What the message belongs to; kept from a task to its result.
    pub const CORRELATION_ID: &str = "correlation_id";
    /// The attempt that this message is, counted from 0.
    pub const ATTEMPT: &str = "x-attempt";
    /// Why the message was dead-lettered or is tried again.
    pub const ERROR: &str = "x-error";
    /// In which quorum queues count how often a message came back
    /// (<https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling>).
    pub const DELIVERY_COUNT: &str = "x-delivery-count";
    /// When the message was dead-lettered: an AMQP timestamp.
    pub const DEAD_AT: &str = "x-dead-at";
    /// The routing key with which a message was published first; on copies, which travel by the name of a queue.
    pub const ROUTING_KEY: &str = "x-routing-key";
    /// The property `user_id` of the message that a copy was made of. RabbitMQ refuses the property itself to a
    /// connection of another user.
    pub const USER_ID: &str = "x-user-id";
    /// On a copy that waits on in a message's place: how often that came back, but for want of a place. Its presence says that the copy
    /// was delivered before.
    pub const RETURNS: &str = "x-returns";
    /// The property `expiration` of the message that a copy was made of. The copy must not expire.
    pub const EXPIRATION: &str = "x-expiration";
    /// How long a task is to wait before it is executed, in whole milliseconds, from when the service gets it.
    pub const DELAY: &str = "x-delay-ms";
    /// When a task is to be executed: RFC 3339.
    pub const RUN_AT: &str = "x-run-at";
    /// How much of a hurry a task is in: `high`, `normal` or `low`.
    pub const PRIORITY: &str = "x-priority";
    /// For how long no other task like this one is to be executed, in whole milliseconds.
    pub const UNIQUE_FOR: &str = "x-unique-for";
    /// W3C trace context: the parent span.
    pub const TRACEPARENT: &str = "traceparent";
    /// W3C trace context: what vendors add to it.
    pub const TRACESTATE: &str = "tracestate";
}
