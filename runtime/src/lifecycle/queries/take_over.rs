//! Gives a redelivered message without a `message_id` the row that it had before its connection or its runtime died.
//!
//! Nothing in such a message tells which row is its own, so it takes one of the same content; of several, redelivered as
//! often, each finds one, and all are finished in the end. A claim is one statement: two runtimes never take the same row.
//! A row that a live runtime works on is never taken: the message waits for what becomes of it.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Statement, Value};
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
    /// This runtime. Written into the row: for as long as it lives, no other takes it.
    pub runtime_id: &'a str,
    /// Whether this runtime may take others for gone, see [`Heartbeat::may_judge`](super::super::Heartbeat::may_judge).
    pub may_judge: bool,
    /// Now, by the database's clock.
    pub at: DateTime<Utc>,
}

/// What was found for the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// This row is the message's from now on: PENDING, with the message's attempt.
    Row(Uuid),
    /// The attempt that the message asks for was made and failed with this error. Its row waits for the next attempt.
    Failed(Uuid, String),
    /// A row of this content is being worked on, here or in a runtime that lives: it may be the message's. Ask again.
    Busy,
}

/// Of the rows of one content: first those that nobody has claimed for the longest time, because who claims one sets its
/// `started_at`. A row that waits for its retry (PENDING with an error) belongs to the message in the retry queue, so
/// it comes last.
const ORDER: &str = "(error IS NOT NULL), coalesce(started_at, created_at), created_at, id_task LIMIT 1";

/// Literal, so that the partial index serves.
const OPEN: &str = "status IN ('PENDING', 'RUNNING') AND message_id IS NULL \
     AND producer_app = $1 AND correlation_id = $2 AND task_name = $3";

impl Database {
    /// Finds the unfinished row of the same content; `None` if there is none, which is so as well when the runtime died
    /// before anything was written.
    ///
    /// Payloads are compared as JSON on Postgres, and on SQLite as texts without insignificant blanks: there, another
    /// order of keys or another spelling of a number is another payload (a redelivered message has the same bytes).
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn take_over(&self, message: &TakeOver<'_>) -> Result<Option<Taken>, QueryError> {
        if message.payload.is_some_and(has_nul_escape) && self.backend == Backend::Postgres {
            // Can't be stored, so it isn't; the comparison would be refused.
            return Ok(None);
        }
        while let Some(row) = self.single_writes().query_one_raw(self.claim(message)).await? {
            // None: another runtime has just taken the row that was found, and there may be a next one.
            if let Some(id) = row.try_get("", "id_task")? {
                return Ok(Some(Taken::Row(id)));
            }
        }
        if !message.redelivered {
            return Ok(None);
        }
        let Some(row) = self.single_writes().query_one_raw(self.look(message)).await? else { return Ok(None) };
        let (id, error): (Uuid, Option<String>) = (row.try_get("", "id_task")?, row.try_get("", "error")?);
        Ok(Some(error.map_or(Taken::Busy, |error| Taken::Failed(id, error))))
    }

    /// Takes the row that nobody works on.
    fn claim(&self, message: &TakeOver<'_>) -> Statement {
        // A row that waits for this very retry, or that this runtime has claimed for it without hearing of it; or, of a
        // redelivery, one whose attempt had begun.
        let waits = "(status = 'PENDING' AND ((error IS NOT NULL AND attempt = $5 - 1) \
             OR (error IS NULL AND attempt = $5 AND runtime_id = $6)))";
        let gone = match message.may_judge {
            true => format!("OR NOT {}", self.backend.alive("t.runtime_id")),
            false => String::new(),
        };
        let begun = format!("(attempt = $5 AND error IS NULL AND (runtime_id IS NULL OR runtime_id = $6 {gone}))");
        let stands = if message.redelivered { format!("({begun} OR {waits})") } else { waits.to_owned() };
        let (payload, excluded) = (self.same_payload(), self.excluded());
        let found = format!(
            "SELECT id_task, status, attempt, error, started_at, runtime_id FROM task_store t \
             WHERE {OPEN} AND {stands} AND {payload} AND NOT {excluded} ORDER BY {ORDER}"
        );
        let claimed = "status = 'PENDING', error = NULL, attempt = $5, runtime_id = $6, started_at = $7";
        let sql = match self.backend {
            // What was found may have changed until the row is locked: another one may have claimed it, or told its end.
            Backend::Postgres => format!(
                "WITH found AS MATERIALIZED ({found}), claimed AS (\
                 UPDATE task_store t SET {claimed} FROM found WHERE t.id_task = found.id_task \
                 AND t.started_at IS NOT DISTINCT FROM found.started_at \
                 AND t.runtime_id IS NOT DISTINCT FROM found.runtime_id \
                 AND t.status = found.status AND t.attempt = found.attempt AND t.error IS NOT DISTINCT FROM found.error \
                 RETURNING t.id_task) \
                 SELECT claimed.id_task FROM found LEFT JOIN claimed ON true"
            ),
            Backend::Sqlite => format!(
                "UPDATE task_store SET {claimed} \
                 WHERE id_task = (SELECT id_task FROM ({found})) RETURNING id_task"
            ),
        };
        let exclude = match self.backend {
            Backend::Postgres => Value::from(message.exclude.to_vec()),
            Backend::Sqlite => Value::from(hex_list(message.exclude)),
        };
        let mut values = content(message).to_vec();
        values.extend([message.runtime_id.into(), message.at.into(), exclude]);
        Statement::from_sql_and_values(self.backend.sea_orm(), sql, values)
    }

    /// Looks for a row with the attempt that the message asks for; first one whose attempt has failed.
    fn look(&self, message: &TakeOver<'_>) -> Statement {
        let payload = self.same_payload();
        let sql = format!(
            "SELECT id_task, error FROM task_store t WHERE {OPEN} AND attempt = $5 AND {payload} ORDER BY (error IS NULL) LIMIT 1"
        );
        Statement::from_sql_and_values(self.backend.sea_orm(), sql, content(message))
    }

    fn same_payload(&self) -> &'static str {
        match self.backend {
            Backend::Postgres => "payload IS NOT DISTINCT FROM $4::jsonb",
            Backend::Sqlite => "CASE WHEN json_valid(payload) THEN json(payload) = json($4) ELSE payload IS $4 END",
        }
    }

    fn excluded(&self) -> &'static str {
        match self.backend {
            Backend::Postgres => "id_task = ANY($8)",
            Backend::Sqlite => "id_task IN (SELECT unhex(value) FROM json_each($8))",
        }
    }
}

/// The first five parameters of both statements.
fn content(message: &TakeOver<'_>) -> [Value; 5] {
    [
        message.producer_app.into(),
        message.correlation_id.into(),
        message.task_name.into(),
        message.payload.map(str::to_owned).into(),
        i32::try_from(message.attempt).unwrap_or(i32::MAX).into(),
    ]
}
