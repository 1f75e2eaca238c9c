//! Deletes what is over and old, a thousand rows a statement, the oldest first.
//!
//! Each batch is a transaction of its own, so that it can be killed at any moment and the next one goes on; between two of them
//! there is a pause as long as the batch took, so that what the service writes goes first. Any number may do so at once: a
//! row that another one is at is passed over. What is not over has no word here ([`Old`]), and is never deleted.

use std::{ops::ControlFlow, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use entity::TaskStatus;
use event_driven::backoff::Backoff;
use sea_orm::{ConnectionTrait, Statement};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{
    super::{Database, FIRST_PAUSE, QueryError, database::Backend, sqlite, verdict::reason},
    Cursor, cancel,
    states::hex_list,
};

/// What is younger is never deleted: RabbitMQ may deliver its message again, and the row is what says that it was done. A
/// delivery is unsettled for half an hour at most (`consumer_timeout`).
pub const LEAST_AGE: Duration = Duration::from_secs(60 * 60);

/// Rows of a batch: some ten milliseconds.
const BATCH: u64 = 1_000;

/// The pauses between two batches.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// How often a batch is tried that the database could not do at that moment.
const TRIES: u32 = 5;

/// What can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// Tasks that are COMPLETED, with their attempts.
    Completed,
    /// Tasks that have FAILED, with their attempts.
    Failed,
    /// Tasks that are CANCELLED, with their attempts; those of the last seven days stay in any case, because their messages may
    /// wait in a queue yet.
    Cancelled,
    /// Events.
    Events,
}

/// One batch.
#[derive(Debug)]
struct Batch {
    deleted: u64,
    /// The last one of it; none: there is no more.
    last: Option<Cursor>,
}

impl Old {
    /// The tasks.
    pub const TASKS: [Self; 3] = [Self::Completed, Self::Failed, Self::Cancelled];

    /// The tasks that stand so; none of those that are not over.
    pub fn of_status(status: TaskStatus) -> Option<Self> {
        match status {
            TaskStatus::Completed => Some(Self::Completed),
            TaskStatus::Failed => Some(Self::Failed),
            TaskStatus::Cancelled => Some(Self::Cancelled),
            TaskStatus::Pending | TaskStatus::Running => None,
        }
    }

    /// The oldest that is kept, where everything older than `age` is to go.
    fn before(self, age: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
        let age = match self {
            Self::Completed | Self::Failed | Self::Events => age.max(LEAST_AGE),
            Self::Cancelled => age.max(cancel::KEPT),
        };
        let before = TimeDelta::from_std(age).ok().and_then(|age| now.checked_sub_signed(age));
        before.unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// Table, key, and which rows: `$1` is the time before which they were over.
    fn rows(self) -> (&'static str, &'static str, String) {
        // What waits for its time is to be executed, or told to be cancelled: it is not over, whatever its row says.
        let of = |status: &str| {
            format!(
                "t.created_at < $1 AND t.status = '{status}' AND coalesce(t.finished_at, t.created_at) < $1 \
                 AND NOT EXISTS (SELECT 1 FROM delayed_task d WHERE d.id_task = t.id_task)"
            )
        };
        // The condition of the partial index, so that the planner can prove it.
        let of_few = |status: &str| of(status) + " AND t.status <> 'COMPLETED'";
        match self {
            Self::Completed => ("task_store", "id_task", of("COMPLETED")),
            Self::Failed => ("task_store", "id_task", of_few("FAILED")),
            Self::Cancelled => ("task_store", "id_task", of_few("CANCELLED")),
            Self::Events => ("event_store", "id_event_store", "t.created_at < $1".to_owned()),
        }
    }

    /// Where rows with the same key are that go with it.
    fn dependents(self) -> &'static [&'static str] {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => &["task_attempt", "task_cancel"],
            Self::Events => &[],
        }
    }
}

impl Database {
    /// How many there are that are older than `age`. Reads all of them.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn count_old(&self, old: Old, age: Duration) -> Result<u64, QueryError> {
        let (table, _, which) = old.rows();
        let sql = format!("SELECT count(*) AS n FROM {table} t WHERE {which}");
        let before = old.before(age, self.clock().now());
        let statement = Statement::from_sql_and_values(self.backend.sea_orm(), sql, [before.into()]);
        let row = self.reader.query_one_raw(statement).await?;
        let count: Option<i64> = row.map(|row| row.try_get("", "n")).transpose()?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }

    /// Deletes those that are older than `age`, which is at least [`LEAST_AGE`], and gives how many that were. `told` hears
    /// after each batch how many it had, and may end it.
    ///
    /// # Errors
    /// See [`QueryError`]; what was deleted until then stays so.
    pub async fn prune(
        &self,
        old: Old,
        age: Duration,
        mut told: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<u64, QueryError> {
        let before = old.before(age, self.clock().now());
        let (mut deleted, mut after) = (0, Cursor { created_at: DateTime::UNIX_EPOCH, id: Uuid::nil() });
        loop {
            let began = Instant::now();
            let batch = self.prune_patiently(old, before, after).await?;
            deleted += batch.deleted;
            let Some(last) = batch.last else { return Ok(deleted) };
            after = last;
            if told(batch.deleted).is_break() {
                return Ok(deleted);
            }
            sleep(began.elapsed().clamp(PAUSES.0, PAUSES.1)).await;
        }
    }

    /// A deadlock with who writes such a row anew, or a short outage, is no reason to end.
    async fn prune_patiently(&self, old: Old, before: DateTime<Utc>, after: Cursor) -> Result<Batch, QueryError> {
        let mut backoff = Backoff::starting_at(FIRST_PAUSE);
        loop {
            match self.prune_batch(old, before, after).await {
                Err(QueryError::Unavailable(error)) if backoff.failures() < TRIES => {
                    tracing::debug!(reason = reason(&error), "old rows can't be deleted; trying again");
                    sleep(backoff.pause()).await;
                }
                batch => return batch,
            }
        }
    }

    async fn prune_batch(&self, old: Old, before: DateTime<Utc>, after: Cursor) -> Result<Batch, QueryError> {
        let (table, key, which) = old.rows();
        let found = format!(
            "SELECT t.{key}, t.created_at FROM {table} t WHERE {which} AND (t.created_at, t.{key}) > ($2, $3) \
             ORDER BY t.created_at, t.{key} LIMIT {BATCH}"
        );
        let values = [before.into(), after.created_at.into(), after.id.into()];
        match self.backend {
            Backend::Postgres => {
                let statement = Statement::from_sql_and_values(self.backend.sea_orm(), postgres(old, &found), values);
                let row = self.single_writes().query_one_raw(statement).await?;
                let Some(row) = row else { return Ok(Batch { deleted: 0, last: None }) };
                let (deleted, id): (i64, Uuid) = (row.try_get("", "n")?, row.try_get("", "id")?);
                let last = Cursor { created_at: row.try_get("", "created_at")?, id };
                Ok(Batch { deleted: deleted.try_into().unwrap_or_default(), last: Some(last) })
            }
            Backend::Sqlite => {
                let transaction = sqlite::begin(self.single_writes()).await?;
                let statement = Statement::from_sql_and_values(self.backend.sea_orm(), found, values);
                let rows = transaction.query_all_raw(statement).await?;
                let ids = rows.iter().map(|row| row.try_get("", key)).collect::<Result<Vec<Uuid>, _>>()?;
                for table in old.dependents().iter().chain([&table]) {
                    let sql = format!("DELETE FROM {table} WHERE {key} IN (SELECT unhex(value) FROM json_each($1))");
                    let values = [hex_list(&ids).into()];
                    transaction
                        .execute_raw(Statement::from_sql_and_values(self.backend.sea_orm(), sql, values))
                        .await?;
                }
                transaction.commit().await?;
                let last = rows.last().zip(ids.last());
                let last = last.map(|(row, &id)| row.try_get("", "created_at").map(|at| Cursor { created_at: at, id }));
                Ok(Batch { deleted: ids.len() as u64, last: last.transpose()? })
            }
        }
    }
}

/// All of a batch in one statement. Keys as an array, so that a plan which was made when the tables were empty takes the
/// indexes all the same.
fn postgres(old: Old, found: &str) -> String {
    let (table, key, _) = old.rows();
    let ids = format!("ANY(ARRAY(SELECT {key} FROM old))");
    let dependents: String = (old.dependents().iter())
        .map(|table| format!(", of_{table} AS (DELETE FROM {table} WHERE {key} = {ids})"))
        .collect();
    format!(
        "WITH old AS MATERIALIZED ({found} FOR UPDATE OF t SKIP LOCKED){dependents}, \
         gone AS (DELETE FROM {table} WHERE {key} = {ids}) \
         SELECT (SELECT count(*) FROM old) AS n, {key} AS id, created_at FROM old \
         ORDER BY created_at DESC, {key} DESC LIMIT 1"
    )
}
