//! What the database says at the end.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, Statement};
use uuid::Uuid;

/// A row of `task_store`, as far as it is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) status: String,
    pub(crate) attempt: i32,
    pub(crate) error: Option<String>,
    pub(crate) message_id: Option<String>,
    pub(crate) correlation_id: String,
    /// All of it, to be shown.
    pub(crate) text: String,
}

/// A row of the view `attempt`, if there is one.
#[derive(Debug, Clone)]
pub(crate) struct AttemptRow {
    pub(crate) attempt: i32,
    pub(crate) outcome: String,
}

impl Row {
    /// The class of its error.
    pub(crate) fn class(&self) -> Option<&str> {
        self.error.as_deref().map(|error| error.split(':').next().unwrap_or(error))
    }

    pub(crate) fn is_final(&self) -> bool {
        self.status == "COMPLETED" || self.status == "FAILED"
    }

    /// Whether it may stay as it is: an attempt that failed or was cut off at a message without an id, which was delivered
    /// again before this was committed, and has another row. Nothing may say for ever that it runs.
    fn may_be_left(&self, ended: &HashSet<&str>) -> bool {
        self.message_id.is_none() && self.status == "PENDING" && ended.contains(&*self.correlation_id)
    }
}

/// The rows that have neither ended nor may stay as they are.
pub(crate) fn open(rows: &[Row]) -> Vec<&Row> {
    let ended: HashSet<&str> = rows.iter().filter(|row| row.is_final()).map(|row| &*row.correlation_id).collect();
    rows.iter().filter(|row| !row.is_final() && !row.may_be_left(&ended)).collect()
}

/// Every task.
pub(crate) async fn tasks(database: &DatabaseConnection) -> Result<Vec<Row>, DbErr> {
    let sql = "SELECT id_task, status, attempt, error, message_id, correlation_id, \
               to_jsonb(task_store)::text AS row FROM task_store";
    let rows = query(database, sql).await?;
    rows.iter()
        .map(|row| {
            Ok(Row {
                id: row.try_get("", "id_task")?,
                status: row.try_get("", "status")?,
                attempt: row.try_get("", "attempt")?,
                error: row.try_get("", "error")?,
                message_id: row.try_get("", "message_id")?,
                correlation_id: row.try_get("", "correlation_id")?,
                text: row.try_get("", "row")?,
            })
        })
        .collect()
}

/// The keys of all events.
pub(crate) async fn events(database: &DatabaseConnection) -> Result<Vec<Uuid>, DbErr> {
    let rows = query(database, "SELECT id_event_store FROM event_store").await?;
    rows.iter().map(|row| row.try_get("", "id_event_store")).collect()
}

/// The attempts of each task; `None` where no attempts are kept.
pub(crate) async fn attempts(database: &DatabaseConnection) -> Result<Option<HashMap<Uuid, Vec<AttemptRow>>>, DbErr> {
    let known = "SELECT 1 FROM information_schema.tables WHERE table_name = 'attempt'";
    if query(database, known).await?.is_empty() {
        return Ok(None);
    }
    let mut attempts: HashMap<Uuid, Vec<AttemptRow>> = HashMap::new();
    for row in query(database, "SELECT id_task, attempt, outcome FROM attempt").await? {
        let attempt = AttemptRow { attempt: row.try_get("", "attempt")?, outcome: row.try_get("", "outcome")? };
        attempts.entry(row.try_get("", "id_task")?).or_default().push(attempt);
    }
    Ok(Some(attempts))
}

async fn query(database: &DatabaseConnection, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
    database.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await
}
