//! The states that a task can be in, as they stand in `task_store.status`.

use std::fmt;

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Where a task stands. Stored, sent and printed in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskStatus {
    /// Accepted, or to be attempted again; no attempt is under way.
    #[sea_orm(string_value = "PENDING")]
    Pending,
    /// An attempt is under way, or was when its runtime died.
    #[sea_orm(string_value = "RUNNING")]
    Running,
    /// The task returned a result. Final for good: a row that says so is never changed again.
    #[sea_orm(string_value = "COMPLETED")]
    Completed,
    /// The task failed and is not attempted again by itself. A message sent once more may still complete it.
    #[sea_orm(string_value = "FAILED")]
    Failed,
    /// Someone decided that the task is not to be run.
    #[sea_orm(string_value = "CANCELLED")]
    Cancelled,
}

impl TaskStatus {
    /// Every status, in the order of a task's life.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// Whether nothing more happens to the task by itself: COMPLETED, FAILED or CANCELLED.
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Running => false,
            Self::Completed | Self::Failed | Self::Cancelled => true,
        }
    }

    /// The status as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_word_is_the_printed_word() {
        for status in TaskStatus::ALL {
            assert_eq!(status.to_value(), status.as_str());
            assert_eq!(TaskStatus::try_from_value(&status.as_str().to_owned()), Ok(status));
        }
    }

    #[test]
    fn pending_and_running_are_the_states_that_are_not_final() {
        let open: Vec<_> = TaskStatus::ALL.into_iter().filter(|status| !status.is_final()).collect();
        assert_eq!(open, [TaskStatus::Pending, TaskStatus::Running]);
    }
}
