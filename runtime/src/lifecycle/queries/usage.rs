//! What the newest tasks of one component used: read from their attempts, summed up here.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use entity::AttemptOutcome;
use sea_orm::{FromQueryResult, Statement};
use uuid::Uuid;

use super::super::{Database, QueryError};

/// How many of the newest tasks are looked at.
const TASKS: u64 = 1_000;

/// The most attempts of them that are read: some have retries, few have many.
const ATTEMPTS: u64 = 10 * TASKS;

/// The tasks come from the index of names, newest first, with the attempts that are kept in their rows; the others from their
/// key. Not from the view `attempt`: joined with it, Postgres reads all of both tables.
const NEWEST: &str = "WITH newest AS MATERIALIZED (\
    SELECT id_task, id_attempt, cpu_us, memory_bytes, started_at, finished_at FROM task_store WHERE task_name = $1 \
    ORDER BY created_at DESC, id_task DESC LIMIT $2) \
    SELECT id_task, 'COMPLETED' AS outcome, NULL AS error_class, cpu_us, memory_bytes, started_at, finished_at \
    FROM newest WHERE id_attempt IS NOT NULL \
    UNION ALL \
    SELECT a.id_task, a.outcome, a.error_class, a.cpu_us, a.memory_bytes, a.started_at, a.finished_at \
    FROM newest JOIN task_attempt AS a ON a.id_task = newest.id_task LIMIT $3";

/// How the attempts at the newest tasks of a component ended, and what they used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// How many tasks that is, of those that have an attempt.
    pub tasks: usize,
    /// All attempts at them.
    pub attempts: usize,
    /// Those that returned a result.
    pub completed: usize,
    /// Those that failed, by the class of their error.
    pub failed: BTreeMap<String, usize>,
    /// Processor time, in microseconds. Counts, like what follows, attempts that were executed to their end.
    pub cpu_us: Option<Spread>,
    /// From the beginning of the attempt to its end, in microseconds.
    pub wall_us: Option<Spread>,
    /// The most memory at once, in bytes.
    pub memory_bytes: Option<Spread>,
}

/// How a number is spread: percentiles by the nearest rank, so each is a number that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// Half of them are not above it.
    pub p50: i64,
    /// 99 of 100 are not above it.
    pub p99: i64,
}

#[derive(Debug, FromQueryResult)]
struct Attempt {
    id_task: Uuid,
    outcome: AttemptOutcome,
    error_class: Option<String>,
    cpu_us: Option<i64>,
    memory_bytes: Option<i64>,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl Database {
    /// What the attempts at the newest thousand tasks of the component used.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn usage_of(&self, task_name: &str) -> Result<Usage, QueryError> {
        let values = [task_name.into(), TASKS.into(), ATTEMPTS.into()];
        let statement = Statement::from_sql_and_values(self.backend.sea_orm(), NEWEST, values);
        Ok(sum(&Attempt::find_by_statement(statement).all(&self.reader).await?))
    }
}

fn sum(attempts: &[Attempt]) -> Usage {
    let tasks: HashSet<Uuid> = attempts.iter().map(|attempt| attempt.id_task).collect();
    let mut usage = Usage { tasks: tasks.len(), attempts: attempts.len(), ..Usage::default() };
    for attempt in attempts {
        match attempt.outcome {
            AttemptOutcome::Completed => usage.completed += 1,
            AttemptOutcome::Failed => {
                let class = attempt.error_class.clone().unwrap_or_default();
                *usage.failed.entry(class).or_default() += 1;
            }
            AttemptOutcome::Running | AttemptOutcome::Interrupted | AttemptOutcome::Lost => {}
        }
    }
    let executed = || attempts.iter().filter(|attempt| attempt.cpu_us.is_some());
    usage.cpu_us = Spread::of(executed().filter_map(|attempt| attempt.cpu_us));
    usage.memory_bytes = Spread::of(executed().filter_map(|attempt| attempt.memory_bytes));
    usage.wall_us = Spread::of(executed().filter_map(|attempt| {
        let time = attempt.finished_at? - attempt.started_at;
        time.num_microseconds()
    }));
    usage
}

impl Spread {
    /// None if there is no number.
    pub(super) fn of(numbers: impl Iterator<Item = i64>) -> Option<Self> {
        let mut numbers: Vec<i64> = numbers.collect();
        numbers.sort_unstable();
        Some(Self { p50: nearest_rank(&numbers, 50)?, p99: nearest_rank(&numbers, 99)? })
    }
}

/// The smallest of the sorted numbers that `percent` of them are not above.
fn nearest_rank(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let spread = |numbers: std::ops::RangeInclusive<i64>| Spread::of(numbers.rev());
        assert_eq!(Spread::of(std::iter::empty()), None);
        assert_eq!(spread(7..=7), Some(Spread { p50: 7, p99: 7 }));
        assert_eq!(spread(1..=2), Some(Spread { p50: 1, p99: 2 }));
        assert_eq!(spread(1..=100), Some(Spread { p50: 50, p99: 99 }));
        assert_eq!(spread(1..=101), Some(Spread { p50: 51, p99: 100 }));
        assert_eq!(spread(1..=1_000), Some(Spread { p50: 500, p99: 990 }));
    }
}
