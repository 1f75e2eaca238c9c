//! What goes on at this moment: what ends, what runs, what fails, who is there.
//!
//! Asked once a second by people who look on, beside a service at work: each statement reads a bounded number of rows by an
//! index, whatever the number of tasks. How many tasks end a second is no question to `task_store`: the runtimes say it with
//! their signs of life.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{FromQueryResult, Statement};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    super::{Database, QueryError},
    Spread,
};

/// Most runtimes and most running tasks that are told.
const MOST: usize = 1_000;

/// How many of the newest tasks, and of the newest that have FAILED, are looked at.
const NEWEST: usize = 1_000;

/// Most waiting messages that are counted.
const MOST_WAITING: i64 = 10_000;

/// How far back failures are told.
const FAILED_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// How far back tasks count whose time is measured.
const ENDED_WITHIN: TimeDelta = TimeDelta::minutes(1);

/// What goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Activity {
    /// When it was asked, by the database's clock.
    pub at: DateTime<Utc>,
    /// How many tasks end a second, in all runtimes that are alive.
    pub rates: Rates,
    /// The runtimes that are alive, the oldest first.
    pub runtimes: Vec<RuntimeActivity>,
    /// The tasks that run, the longest first; of more than a thousand those that were made first. One that lasts for some
    /// milliseconds has no row that says so.
    pub running: Vec<RunningTask>,
    /// Tasks that have FAILED in the last five minutes, the most frequent first; of more than a thousand the newest.
    pub failures: Vec<Failures>,
    /// Messages that wait for their time.
    pub delayed: Waiting,
    /// How long tasks took that were made within the last minute; of more than a thousand the newest. None if none is over.
    pub latency: Option<Latency>,
}

/// Tasks that end a second, over the last ten seconds or so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rates {
    /// With a result.
    pub completed_per_s: f64,
    /// For good, without one.
    pub failed_per_s: f64,
    /// Cancelled by a runtime, or over its HTTP.
    pub cancelled_per_s: f64,
}

/// A runtime that is alive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RuntimeActivity {
    /// As in `task_store.runtime_id`.
    pub runtime_id: String,
    /// The name of the service that it runs as.
    pub service: String,
    /// The machine that it runs on.
    pub host: String,
    /// Its process there.
    pub pid: i64,
    /// The version of warren.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Its last sign of life.
    pub seen_at: DateTime<Utc>,
    /// Tasks that run there, as far as they have a row that says so.
    pub running: i64,
    /// What it brings to an end; none until its second sign of life, or if it is of an older version.
    pub rates: Option<Rates>,
}

/// A task that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, FromQueryResult)]
pub struct RunningTask {
    /// Its id.
    pub id_task: Uuid,
    /// The component that it asks for.
    pub task_name: Option<String>,
    /// The attempt, counted from 0.
    pub attempt: i32,
    /// When the attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// Where it runs. One that is not among those that are alive is gone: the task is attempted again within a lease.
    pub runtime_id: Option<String>,
}

/// Failures of one class in one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failures {
    /// The class, as in `task_store.error` before the colon.
    pub class: String,
    /// The component.
    pub task_name: Option<String>,
    /// How many.
    pub count: usize,
    /// When the last of them came to its end.
    pub last_at: DateTime<Utc>,
}

/// How many wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// At least so many.
    pub count: i64,
    /// Whether there are more than were counted.
    pub is_more: bool,
    /// When the next one's time comes.
    pub next_at: Option<DateTime<Utc>>,
}

/// From a task's creation to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Latency {
    /// Of so many tasks.
    pub tasks: usize,
    /// Half of them took no longer, in microseconds.
    pub p50_us: i64,
    /// 99 of 100 took no longer, in microseconds.
    pub p99_us: i64,
}

#[derive(FromQueryResult)]
struct RuntimeRow {
    runtime_id: String,
    service: String,
    host: String,
    pid: i64,
    version: String,
    started_at: DateTime<Utc>,
    seen_at: DateTime<Utc>,
    running: i64,
    recent_seconds: Option<f64>,
    recent_completed: Option<i64>,
    recent_failed: Option<i64>,
    recent_cancelled: Option<i64>,
}

#[derive(FromQueryResult)]
struct FailedRow {
    task_name: Option<String>,
    error: Option<String>,
    finished_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct WaitingRow {
    waiting: i64,
    next_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct EndedRow {
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl Database {
    /// What goes on at this moment: some statements, one after the other, over one connection.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn activity(&self) -> Result<Activity, QueryError> {
        let at = self.clock().now();
        let runtimes = self.runtimes_alive().await?;
        let rates = runtimes.iter().filter_map(|runtime| runtime.rates).fold(Rates::default(), Rates::plus);
        Ok(Activity {
            at,
            rates,
            runtimes,
            running: self.running().await?,
            failures: self.failures(at).await?,
            delayed: self.delayed_waiting().await?,
            latency: self.latency(at).await?,
        })
    }

    async fn runtimes_alive(&self) -> Result<Vec<RuntimeActivity>, QueryError> {
        let since = self.backend.ago("r.lease_seconds");
        let rows: Vec<RuntimeRow> = self
            .read_all(format!(
                "SELECT r.*, (SELECT count(*) FROM task_attempt a \
                 WHERE a.runtime_id = r.runtime_id AND a.outcome = 'RUNNING') AS running \
                 FROM runtime r WHERE r.stopped_at IS NULL AND r.seen_at > {since} ORDER BY r.started_at LIMIT {MOST}"
            ))
            .await?;
        Ok(rows.into_iter().map(RuntimeActivity::from).collect())
    }

    /// By the index of what is not COMPLETED, whose condition stands there for the planner.
    async fn running(&self) -> Result<Vec<RunningTask>, QueryError> {
        let mut running: Vec<RunningTask> = self
            .read_all(format!(
                "SELECT id_task, task_name, attempt, started_at, runtime_id FROM task_store \
                 WHERE status = 'RUNNING' AND status <> 'COMPLETED' ORDER BY created_at, id_task LIMIT {MOST}"
            ))
            .await?;
        running.sort_by_key(|task| (task.started_at, task.id_task));
        Ok(running)
    }

    /// The newest by creation, since there is no index of ends; then those that ended lately.
    async fn failures(&self, now: DateTime<Utc>) -> Result<Vec<Failures>, QueryError> {
        let rows: Vec<FailedRow> = self
            .read_all(format!(
                "SELECT task_name, substr(error, 1, 64) AS error, finished_at FROM task_store \
                 WHERE status = 'FAILED' AND status <> 'COMPLETED' ORDER BY created_at DESC, id_task DESC LIMIT {NEWEST}"
            ))
            .await?;
        let mut counted: BTreeMap<(String, Option<String>), (usize, DateTime<Utc>)> = BTreeMap::new();
        for row in rows {
            let Some(ended) = row.finished_at.filter(|ended| now - *ended <= FAILED_WITHIN) else { continue };
            let class = row.error.as_deref().unwrap_or_default().split(':').next().unwrap_or_default().to_owned();
            let (count, last) = counted.entry((class, row.task_name)).or_insert((0, ended));
            *count += 1;
            *last = ended.max(*last);
        }
        let counted = counted.into_iter();
        let mut failures: Vec<_> = counted
            .map(|((class, task_name), (count, last_at))| Failures { class, task_name, count, last_at })
            .collect();
        failures.sort_by_key(|failures| std::cmp::Reverse((failures.count, failures.last_at)));
        Ok(failures)
    }

    async fn delayed_waiting(&self) -> Result<Waiting, QueryError> {
        let counted = MOST_WAITING + 1;
        let rows: Vec<WaitingRow> = self
            .read_all(format!(
                "SELECT (SELECT count(*) FROM (SELECT 1 AS one FROM delayed_task LIMIT {counted}) AS counted) AS waiting, \
                 (SELECT due_at FROM delayed_task ORDER BY due_at LIMIT 1) AS next_at"
            ))
            .await?;
        Ok(rows.first().map_or_else(Waiting::default, |row| Waiting {
            count: row.waiting.min(MOST_WAITING),
            is_more: row.waiting > MOST_WAITING,
            next_at: row.next_at,
        }))
    }

    async fn latency(&self, now: DateTime<Utc>) -> Result<Option<Latency>, QueryError> {
        let rows: Vec<EndedRow> = self
            .read_all(format!(
                "SELECT created_at, finished_at FROM task_store ORDER BY created_at DESC, id_task DESC LIMIT {NEWEST}"
            ))
            .await?;
        let lately = rows.into_iter().filter(|row| now - row.created_at <= ENDED_WITHIN);
        let took = lately.filter_map(|row| (row.finished_at? - row.created_at).num_microseconds());
        let took: Vec<i64> = took.collect();
        let spread = Spread::of(took.iter().copied());
        Ok(spread.map(|spread| Latency { tasks: took.len(), p50_us: spread.p50, p99_us: spread.p99 }))
    }

    async fn read_all<R: FromQueryResult>(&self, sql: String) -> Result<Vec<R>, QueryError> {
        let statement = Statement::from_string(self.backend.sea_orm(), sql);
        Ok(R::find_by_statement(statement).all(&self.reader).await?)
    }
}

impl Rates {
    fn plus(self, other: Self) -> Self {
        Self {
            completed_per_s: self.completed_per_s + other.completed_per_s,
            failed_per_s: self.failed_per_s + other.failed_per_s,
            cancelled_per_s: self.cancelled_per_s + other.cancelled_per_s,
        }
    }
}

impl From<RuntimeRow> for RuntimeActivity {
    fn from(row: RuntimeRow) -> Self {
        let seconds = row.recent_seconds.filter(|seconds| *seconds > 0.0);
        let rate = |count: Option<i64>, seconds: f64| count.unwrap_or_default() as f64 / seconds;
        let rates = seconds.map(|seconds| Rates {
            completed_per_s: rate(row.recent_completed, seconds),
            failed_per_s: rate(row.recent_failed, seconds),
            cancelled_per_s: rate(row.recent_cancelled, seconds),
        });
        Self {
            rates,
            runtime_id: row.runtime_id,
            service: row.service,
            host: row.host,
            pid: row.pid,
            version: row.version,
            started_at: row.started_at,
            seen_at: row.seen_at,
            running: row.running,
        }
    }
}
