//! Where many tasks stand, with one statement.

use std::collections::HashMap;

use entity::TaskStatus;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};
use uuid::Uuid;

use super::super::{Database, KnownTask, QueryError, database::Backend};

impl Database {
    /// Where each of the tasks stands that has a row. Any number of ids; none costs nothing.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn states_of(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, KnownTask>, QueryError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self.reader.query_all_raw(self.states_statement(ids)).await?;
        Ok(rows.iter().map(state).collect::<Result<_, _>>()?)
    }

    /// One text for any number of ids, so that it is prepared once.
    fn states_statement(&self, ids: &[Uuid]) -> Statement {
        let select = "SELECT id_task, status, attempt FROM task_store WHERE id_task";
        match self.backend {
            Backend::Postgres => Statement::from_sql_and_values(
                DbBackend::Postgres,
                format!("{select} = ANY($1)"),
                [Value::from(ids.to_vec())],
            ),
            Backend::Sqlite => Statement::from_sql_and_values(
                DbBackend::Sqlite,
                format!("{select} IN (SELECT unhex(value) FROM json_each(?))"),
                [Value::from(hex_list(ids))],
            ),
        }
    }
}

/// A JSON array of ids in hexadecimal: how SQLite takes a list as one parameter.
pub(super) fn hex_list(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("\"{}\"", id.simple())).collect();
    format!("[{}]", ids.join(","))
}

fn state(row: &QueryResult) -> Result<(Uuid, KnownTask), DbErr> {
    let status: TaskStatus = row.try_get("", "status")?;
    let attempt: i32 = row.try_get("", "attempt")?;
    Ok((row.try_get("", "id_task")?, KnownTask { status, attempt: attempt.try_into().unwrap_or_default() }))
}
