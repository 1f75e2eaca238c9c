//! How much of a hurry a task is in: each class has a queue of its own, so that none stands behind another's backlog.

use std::{fmt, str::FromStr};

use super::{Attempt, QueueName, TASKS_QUEUE, TaskName};

/// The class of a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Has the largest part of what can be executed.
    High,
    /// What a task is in that says nothing.
    #[default]
    Normal,
    /// Has a small part while there is something else, and all of it otherwise.
    Low,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// As it stands in headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// The queue of tasks of this class: `tasks`, `tasks.priority.high`, `tasks.priority.low`.
    pub const fn queue(self) -> &'static str {
        match self {
            Self::High => "tasks.priority.high",
            Self::Normal => TASKS_QUEUE,
            Self::Low => "tasks.priority.low",
        }
    }

    /// The key that leads from `task.exchange` to its queue; none for that of all keys without a queue.
    pub const fn routing_key(self) -> Option<&'static str> {
        match self {
            Self::High => Some("routing.tasks.priority.high"),
            Self::Normal => None,
            Self::Low => Some("routing.tasks.priority.low"),
        }
    }

    /// The key of a task of this class that its publisher has given none: that of the class, or else one that no queue is bound
    /// for, so that it comes to the queue of all tasks.
    pub fn default_key(self, task_name: &TaskName) -> String {
        self.routing_key().map_or_else(|| format!("routing.task.run.{task_name}"), str::to_owned)
    }

    /// Where its tasks wait for the retry after `attempt`: `attempt.n.tasks`, `attempt.n.tasks.priority.high`.
    pub fn retry_queue(self, attempt: Attempt) -> String {
        QueueName::TasksRetry(self, attempt).to_string()
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be high, normal or low, not {0:?}")]
pub struct UnknownPriority(pub String);

impl FromStr for Priority {
    type Err = UnknownPriority;

    fn from_str(text: &str) -> Result<Self, UnknownPriority> {
        let known = Self::ALL.into_iter().find(|priority| priority.as_str() == text);
        known.ok_or_else(|| UnknownPriority(text.chars().take(40).collect()))
    }
}
