//! Gives a redelivered message without a `message_id` the row that it had before its runtime died.
//!
//! Nothing in such a message tells which row is its own, so it takes one of the same content; of several, redelivered as
//! often, each finds one, and all are finished in the end. A claim is one statement: two runtimes never take the same row.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use uuid::Uuid;

use super::{
    super::{Database, QueryError, database::Backend, stored_text::has_nul_escape},
    states::hex_list,
};

/// What a redelivered message says of its task, and who takes it over.
#[derive(Debug, Clone)]
pub struct TakeOver<'a> {
    /// The producer.
    pub producer_app: &'a str,
    /// The correlation id.
    pub correlation_id: &'a str,
    /// The task's name.
    pub task_name: &'a str,
    /// The payload: a JSON text.
    pub payload: Option<&'a str>,
    /// The attempt that the message asks for, counted from 0.
    pub attempt: u32,
    /// Whether it was delivered before and not settled. If not, it comes back for a retry, and its row waits for that.
    pub redelivered: bool,
    /// Tasks that this runtime is at: not to be taken.
    pub exclude: &'a [Uuid],
    /// This runtime. Written into the row, so that the next one prefers another.
    pub runtime_id: &'a str,
    /// Now, by the database's clock.
    pub at: DateTime<Utc>,
}

/// The row that was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenOver {
    /// The task's identifier.
    pub id: Uuid,
    /// When the task was first seen.
    pub created_at: DateTime<Utc>,
    /// The attempt that was under way, counted from 0.
    pub attempt: u32,
}

/// Of the rows of one content: first those that nobody has claimed for the longest time, because who claims one sets its
/// `started_at`. A row that waits for its retry (PENDING with an error) belongs to the message in the retry queue, so
/// it comes last.
const ORDER: &str =
    "(status = 'PENDING' AND error IS NOT NULL), coalesce(started_at, created_at), created_at, id_task LIMIT 1";

/// Literal, so that the partial index serves.
const OPEN: &str = "status IN ('PENDING', 'RUNNING') AND message_id IS NULL \
     AND producer_app = $1 AND correlation_id = $2 AND task_name = $3";

impl Database {
    /// Claims the unfinished row of the same content that was claimed longest ago; `None` if there is none, which is
    /// so as well when the runtime died before anything was written.
    ///
    /// Payloads are compared as JSON on Postgres, and on SQLite as texts without insignificant blanks: there, another
    /// order of keys or another spelling of a number is another payload (a redelivered message has the same bytes).
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn take_over(&self, message: &TakeOver<'_>) -> Result<Option<TakenOver>, QueryError> {
        if message.payload.is_some_and(has_nul_escape) && self.backend == Backend::Postgres {
            // Can't be stored, so it isn't; the comparison would be refused.
            return Ok(None);
        }
        loop {
            let Some(row) = self.single_writes().query_one_raw(self.claim(message)).await? else { return Ok(None) };
            // Another runtime has just taken the row that was found: there may be a next one.
            let Some(id) = row.try_get("", "id_task")? else { continue };
            let attempt: i32 = row.try_get("", "attempt")?;
            return Ok(Some(TakenOver {
                id,
                created_at: row.try_get("", "created_at")?,
                attempt: attempt.try_into().unwrap_or_default(),
            }));
        }
    }

    fn claim(&self, message: &TakeOver<'_>) -> Statement {
        let (backend, payload, exclude, excluded) = match self.backend {
            Backend::Postgres => (
                DbBackend::Postgres,
                "payload IS NOT DISTINCT FROM $4::jsonb",
                "id_task <> ALL($5)",
                Value::from(message.exclude.to_vec()),
            ),
            Backend::Sqlite => (
                DbBackend::Sqlite,
                "CASE WHEN json_valid(payload) THEN json(payload) = json($4) ELSE payload IS $4 END",
                "id_task NOT IN (SELECT unhex(value) FROM json_each($5))",
                Value::from(hex_list(message.exclude)),
            ),
        };
        // A row that waits for this very retry; or, of a redelivery, one whose attempt had begun.
        let waits = "(status = 'PENDING' AND error IS NOT NULL AND attempt = $8 - 1)";
        let stands = if message.redelivered { format!("(attempt = $8 OR {waits})") } else { waits.to_owned() };
        let found = format!(
            "SELECT id_task, started_at, runtime_id FROM task_store \
             WHERE {OPEN} AND {stands} AND {payload} AND {exclude} ORDER BY {ORDER}"
        );
        let sql = match self.backend {
            // A row that was claimed since it was found still looks as it has to: it is told by what a claim changes. The
            // lock of the update alone would not do, for it is given back at that claim's commit.
            Backend::Postgres => format!(
                "WITH found AS MATERIALIZED ({found}), claimed AS (\
                 UPDATE task_store t SET runtime_id = $6, started_at = $7 FROM found WHERE t.id_task = found.id_task \
                 AND t.started_at IS NOT DISTINCT FROM found.started_at \
                 AND t.runtime_id IS NOT DISTINCT FROM found.runtime_id \
                 RETURNING t.id_task, t.created_at, t.attempt) \
                 SELECT claimed.* FROM found LEFT JOIN claimed ON true"
            ),
            Backend::Sqlite => format!(
                "UPDATE task_store SET runtime_id = $6, started_at = $7 \
                 WHERE id_task = (SELECT id_task FROM ({found})) RETURNING id_task, created_at, attempt"
            ),
        };
        let values = [
            message.producer_app.into(),
            message.correlation_id.into(),
            message.task_name.into(),
            message.payload.map(str::to_owned).into(),
            excluded,
            message.runtime_id.into(),
            message.at.into(),
            i32::try_from(message.attempt).unwrap_or(i32::MAX).into(),
        ];
        Statement::from_sql_and_values(backend, sql, values)
    }
}
