//! Why a plan can't be applied or checked.

use super::Mismatch;
use crate::names::{TASK_EXCHANGE, TASK_UNROUTED_EXCHANGE, TASKS_QUEUE};

/// Why a plan can't be applied or checked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TopologyError {
    /// Something exists that differs so that it can't be used. Nothing was changed about it.
    #[error(
        "{thing} exists already, but {mismatch}, and so it can't be used: {why}; delete or rename it, or change who \
         declares it"
    )]
    Unusable {
        /// What it is: `exchange task.exchange`.
        thing: String,
        /// How it differs.
        mismatch: Box<Mismatch>,
        /// Why that can't be used.
        why: &'static str,
    },
    /// `task.exchange` exists without an alternate exchange, so tasks without a route would be lost.
    #[error(
        "exchange {TASK_EXCHANGE} exists already, but without the alternate exchange {TASK_UNROUTED_EXCHANGE}, and so \
         tasks without a route would be lost; add it with: {command}; or name the keys of the tasks, so that {TASKS_QUEUE} \
         is bound to them instead: setting topology.task_keys"
    )]
    NoAlternateExchange {
        /// The command that adds it.
        command: String,
    },
    /// RabbitMQ refused for another reason (permissions, a resource that is locked).
    #[error("RabbitMQ refuses to declare {thing}: {reason}")]
    Refused {
        /// What it is.
        thing: String,
        /// RabbitMQ's words.
        reason: String,
    },
    /// The connection failed meanwhile; the same may succeed on another.
    #[error("the connection failed while the topology was declared or looked at: {0}")]
    Connection(#[from] lapin::Error),
}
