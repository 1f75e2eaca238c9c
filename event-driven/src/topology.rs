//! Topology: the exchanges, queues and bindings that a service needs, as a plan, and how the plan is applied.
//!
//! [`plan()`] is plain data, which can be shown; [`check()`] compares it with what exists, [`apply()`] declares it. What
//! exists already with other arguments is never deleted: it is used as it stands where that is safe, and refused with an
//! error where it is not.

mod apply;
mod check;
mod compare;
mod consumer;
mod declaration;
mod declarer;
mod error;
mod judge;
mod mismatch;
mod plan;
mod probe;
mod queues;
mod shape;

use std::time::Duration;

pub use apply::apply;
pub use check::{Finding, State, check};
pub use consumer::{route, subscription};
pub use declaration::{Argument, Declaration, Exchange, ExchangeType, Queue};
pub use error::TopologyError;
pub use mismatch::{Current, Mismatch};
pub use plan::{exchanges, plan};
pub use probe::is_probe;
pub(crate) use queues::delay;
pub use queues::{DELIVERY_LIMIT, MAX_RETRY_DELAY};

use crate::names;

/// What can be chosen about the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologySettings {
    /// Whether exchanges survive a restart of the broker. `false` follows older services that declare them as transient.
    pub durable_exchanges: bool,
    /// The type of all queues.
    pub queue_type: QueueType,
    /// Retries before a message is dead; one retry queue for each. 0: none.
    pub retries: u32,
    /// Delay before the first retry; doubled for each that follows, up to [`MAX_RETRY_DELAY`].
    pub retry_delay: Duration,
    /// Longest stay of a message in a subscriber's or a route's queue; then it goes to the dead-letter queue.
    pub queue_ttl: Duration,
    /// Most messages in a subscriber's or a route's queue; then publishes are refused.
    pub queue_max_messages: u32,
    /// Most bytes in a subscriber's or a route's queue; then publishes are refused.
    pub queue_max_bytes: u64,
    /// For a `task.exchange` that others declare without its alternate exchange, and that can't get one by a policy: the
    /// routing keys by which `tasks` is bound to it. Tasks with other keys are lost then. Empty: the alternate exchange
    /// brings every task.
    pub task_keys: Vec<String>,
}

impl Default for TopologySettings {
    fn default() -> Self {
        Self {
            durable_exchanges: true,
            queue_type: QueueType::Quorum,
            retries: names::RETRIES,
            retry_delay: names::RETRY_DELAY,
            queue_ttl: names::QUEUE_TTL,
            queue_max_messages: names::QUEUE_MAX_MESSAGES,
            queue_max_bytes: names::QUEUE_MAX_BYTES,
            task_keys: Vec::new(),
        }
    }
}

/// How RabbitMQ keeps a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QueueType {
    /// Replicated; a message that came back 20 times (given back, or with a connection that was lost) is taken for poison
    /// and dead-lettered by RabbitMQ.
    #[default]
    Quorum,
    /// On one node. Dead-lettering is at most once: what expires or comes back from a retry queue into a full queue is lost.
    Classic,
}

impl QueueType {
    /// As RabbitMQ calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
    }
}
