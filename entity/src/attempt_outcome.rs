//! How an attempt ended, as it stands in `task_attempt.outcome`.

use std::fmt;

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Where an attempt stands. Stored, sent and printed in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "UPPERCASE")]
pub enum AttemptOutcome {
    /// It is under way. Only an attempt that lasts has a row that says so.
    #[sea_orm(string_value = "RUNNING")]
    Running,
    /// The task returned a result.
    #[sea_orm(string_value = "COMPLETED")]
    Completed,
    /// It failed; whether the task is attempted again says the task's row.
    #[sea_orm(string_value = "FAILED")]
    Failed,
    /// Its runtime stopped before it was over, and gave the message back. The attempt does not count.
    #[sea_orm(string_value = "INTERRUPTED")]
    Interrupted,
    /// Its runtime is gone, and nothing is known of it. The attempt does not count.
    #[sea_orm(string_value = "LOST")]
    Lost,
}

impl AttemptOutcome {
    /// Every outcome.
    pub const ALL: [Self; 5] = [Self::Running, Self::Completed, Self::Failed, Self::Interrupted, Self::Lost];

    /// The outcome as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Interrupted => "INTERRUPTED",
            Self::Lost => "LOST",
        }
    }
}

impl fmt::Display for AttemptOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_word_is_the_printed_word() {
        for outcome in AttemptOutcome::ALL {
            assert_eq!(outcome.to_value(), outcome.as_str());
            assert_eq!(AttemptOutcome::try_from_value(&outcome.as_str().to_owned()), Ok(outcome));
        }
    }
}
