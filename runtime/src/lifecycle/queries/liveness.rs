//! Which runtimes are alive: the rows of `runtime`, written and read by the database's clock.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use super::super::{Database, QueryError, database::Backend, heartbeat::RuntimeInfo, tally::Counts};

/// How long the rows of runtimes that are gone are kept, in days: for people who look at what happened.
const KEPT_DAYS: u32 = 7;

impl Backend {
    pub(super) fn sea_orm(self) -> DbBackend {
        match self {
            Self::Postgres => DbBackend::Postgres,
            Self::Sqlite => DbBackend::Sqlite,
        }
    }

    /// The database's time, to the statement's moment.
    fn now(self) -> &'static str {
        match self {
            Self::Postgres => "clock_timestamp()",
            // As the driver writes times: those of different hands are compared as texts.
            Self::Sqlite => "strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')",
        }
    }

    /// The time so many seconds ago (an expression), to be compared with stored times.
    pub(super) fn ago(self, seconds: &str) -> String {
        match self {
            Self::Postgres => format!("clock_timestamp() - make_interval(secs => {seconds})"),
            Self::Sqlite => format!("strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now', '-' || ({seconds}) || ' seconds')"),
        }
    }

    /// Whether a time that is stored in `column` is less than so many seconds ago (an expression).
    pub(super) fn is_younger(self, column: &str, seconds: &str) -> String {
        match self {
            Self::Postgres => format!("{column} > {}", self.ago(seconds)),
            // Stored by more than one hand: compared as times, not as texts.
            Self::Sqlite => format!("julianday({column}) > julianday({})", self.ago(seconds)),
        }
    }

    /// Whether the runtime of this name (an expression) is alive, by the lease that it was started with.
    pub(super) fn alive(self, runtime_id: &str) -> String {
        let since = self.ago("r.lease_seconds");
        format!(
            "EXISTS (SELECT 1 FROM runtime r WHERE r.runtime_id = {runtime_id} AND r.stopped_at IS NULL \
             AND r.seen_at > {since})"
        )
    }
}

/// In seconds, as the statements take it.
pub(super) fn seconds(time: Duration) -> Value {
    time.as_secs_f64().into()
}

impl Database {
    /// Says that this runtime is alive, and over what time it has brought how many tasks to their end.
    pub(in super::super) async fn say_alive(
        &self,
        info: &RuntimeInfo,
        recent: Option<(Duration, Counts)>,
    ) -> Result<(), QueryError> {
        let now = self.backend.now();
        let sql = format!(
            "INSERT INTO runtime (runtime_id, service, host, pid, version, lease_seconds, started_at, seen_at, \
             recent_seconds, recent_completed, recent_failed, recent_cancelled) \
             VALUES ($1, $2, $3, $4, $5, $6, {now}, {now}, $7, $8, $9, $10) \
             ON CONFLICT (runtime_id) DO UPDATE SET seen_at = excluded.seen_at, \
             recent_seconds = excluded.recent_seconds, recent_completed = excluded.recent_completed, \
             recent_failed = excluded.recent_failed, recent_cancelled = excluded.recent_cancelled"
        );
        let count = |of: fn(Counts) -> u64| recent.map(|(_, counts)| i64::try_from(of(counts)).unwrap_or(i64::MAX));
        let values = [
            info.runtime_id.to_string().into(),
            info.service.clone().into(),
            info.host.clone().into(),
            i64::from(std::process::id()).into(),
            env!("CARGO_PKG_VERSION").into(),
            seconds(self.lease),
            recent.map(|(time, _)| time.as_secs_f64()).into(),
            count(|counts| counts.completed).into(),
            count(|counts| counts.failed).into(),
            count(|counts| counts.cancelled).into(),
        ];
        self.change(sql, values).await.map(drop)
    }

    /// Says that this runtime has stopped.
    pub(in super::super) async fn say_stopped(&self, info: &RuntimeInfo) -> Result<(), QueryError> {
        let now = self.backend.now();
        let stopped = format!("UPDATE runtime SET stopped_at = {now} WHERE runtime_id = $1");
        self.change(stopped, [info.runtime_id.to_string().into()]).await.map(drop)
    }

    /// Forgets the runtimes that are gone since long.
    pub(in super::super) async fn forget_the_gone(&self) -> Result<(), QueryError> {
        let old = format!("DELETE FROM runtime WHERE seen_at < {}", self.backend.ago("$1"));
        self.change(old, [seconds(Duration::from_secs(u64::from(KEPT_DAYS) * 24 * 60 * 60))]).await.map(drop)
    }

    /// Says of each attempt that is under way in a runtime that is gone, that it is lost, and of its task that it waits. Gives
    /// how many attempts there were.
    pub(in super::super) async fn tell_lost(&self) -> Result<u64, QueryError> {
        // Not only when its message comes back: that may have happened before this row was committed.
        let gone = format!(
            "UPDATE task_store SET status = 'PENDING', error = NULL \
             WHERE status = 'RUNNING' AND runtime_id IS NOT NULL AND NOT {}",
            self.backend.alive("task_store.runtime_id")
        );
        self.change(gone, []).await?;
        let (now, alive) = (self.backend.now(), self.backend.alive("task_attempt.runtime_id"));
        let sql = format!(
            "UPDATE task_attempt SET outcome = 'LOST', finished_at = {now} WHERE outcome = 'RUNNING' AND NOT {alive}"
        );
        self.change(sql, []).await
    }

    async fn change<const N: usize>(&self, sql: String, values: [Value; N]) -> Result<u64, QueryError> {
        let statement = Statement::from_sql_and_values(self.backend.sea_orm(), sql, values);
        Ok(self.pulse.execute_raw(statement).await?.rows_affected())
    }
}
