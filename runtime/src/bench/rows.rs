//! How many rows say that their work is done.

use sea_orm::{ConnectionTrait, Statement};

use super::BenchError;
use crate::lifecycle::Database;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Tasks; done are those that are COMPLETED.
    Tasks,
    /// Events; done are all.
    Events,
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) all: u64,
    pub(super) done: u64,
    /// Tasks that came to another end.
    pub(super) failed: u64,
}

impl Rows {
    /// In the plural, for people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Events => "events",
        }
    }

    /// Counts them.
    pub(super) async fn count(self, database: &Database) -> Result<Counted, BenchError> {
        let sql = match self {
            Self::Tasks => {
                "SELECT count(*), count(*) FILTER (WHERE status = 'COMPLETED'), \
                 count(*) FILTER (WHERE status IN ('FAILED', 'CANCELLED')) FROM task_store"
            }
            Self::Events => "SELECT count(*), count(*), 0 * count(*) FROM event_store",
        };
        let failed = BenchError::sql("the rows can't be counted");
        let connection = database.connection();
        let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await;
        let Some(row) = row.map_err(&failed)? else { return Ok(Counted::default()) };
        let number = |index| -> Result<u64, BenchError> {
            let number: i64 = row.try_get_by_index(index).map_err(&failed)?;
            Ok(u64::try_from(number).unwrap_or_default())
        };
        Ok(Counted { all: number(0)?, done: number(1)?, failed: number(2)? })
    }
}

/// Why a task has failed, one of those that have, or has to be tried again.
pub(super) async fn error_of_a_task(database: &Database) -> Result<Option<String>, BenchError> {
    let sql = "SELECT error FROM task_store WHERE error IS NOT NULL LIMIT 1";
    let failed = BenchError::sql("the rows can't be read");
    let connection = database.connection();
    let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await;
    row.map_err(&failed)?.map(|row| row.try_get_by_index(0)).transpose().map_err(&failed)
}
