//! Where many tasks stand, with one statement.

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use entity::TaskStatus;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, RuntimeErr, Statement, Value, sqlx};
use uuid::Uuid;

use super::{
    super::{Database, KnownTask, QueryError, RunsIn, database::Backend},
    liveness::seconds,
};

/// No attempt lasts longer: RabbitMQ would take its delivery back (`consumer_timeout`), so no time limit may be longer.
pub(super) const LONGEST_ATTEMPT: Duration = Duration::from_secs(30 * 60);

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

    /// The same for who asks one question after the other, and each for many: on Postgres over a connection of its own, which is
    /// not asked for a sign of life before and after each.
    pub(crate) async fn look_up(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, KnownTask>, QueryError> {
        if self.backend == Backend::Sqlite {
            return self.states_of(ids).await;
        }
        let query = sqlx::query(STATES_ON_POSTGRES.as_str()).bind(ids).bind(LONGEST_ATTEMPT.as_secs_f64());
        let rows = self.links.fetch_all(self.writer.get_postgres_connection_pool(), query).await.map_err(of_driver)?;
        Ok(rows.into_iter().map(|row| state(&row.into())).collect::<Result<_, _>>()?)
    }

    fn states_statement(&self, ids: &[Uuid]) -> Statement {
        let ids = match self.backend {
            Backend::Postgres => Value::from(ids.to_vec()),
            Backend::Sqlite => Value::from(hex_list(ids)),
        };
        let values = [ids, seconds(LONGEST_ATTEMPT)];
        Statement::from_sql_and_values(self.backend.sea_orm(), self.backend.states(), values)
    }
}

static STATES_ON_POSTGRES: LazyLock<String> = LazyLock::new(|| Backend::Postgres.states());

impl Backend {
    /// One text for any number of ids, so that it is prepared once. To plan it takes Postgres many times as long as to carry it out
    /// for one id: it plans it once (from the sixth time on) because the number of ids is hidden from it, in a `SELECT`. The table may be
    /// empty then: row by row (`OFFSET 0` keeps it so; a scalar subquery is never hashed) it takes the keys, unless the empty table was
    /// analysed, for which the look-ups have their plans made [anew](super::super::given_up).
    fn states(self) -> String {
        let rows = match self {
            Self::Postgres => {
                "unnest((SELECT $1::uuid[])) AS asked(id) CROSS JOIN LATERAL \
                 (SELECT * FROM task_store WHERE id_task = asked.id OFFSET 0) t"
            }
            Self::Sqlite => "task_store t WHERE id_task IN (SELECT unhex(value) FROM json_each($1))",
        };
        let (alive, young) = (self.alive("t.runtime_id"), self.is_younger("t.started_at", "$2"));
        format!(
            "SELECT id_task, status, attempt, finished_at, CASE WHEN status = 'PENDING' THEN error END AS error, \
             CASE WHEN status = 'RUNNING' THEN runtime_id END AS runtime_id, \
             CASE WHEN status = 'RUNNING' THEN {alive} AND {young} END AS alive, \
             status IN ('PENDING', 'RUNNING') \
             AND (SELECT TRUE FROM task_cancel c WHERE c.id_task = t.id_task) IS NOT NULL AS to_be_cancelled \
             FROM {rows}"
        )
    }
}

/// A JSON array of ids in hexadecimal: how SQLite takes a list as one parameter.
pub(in crate::lifecycle) fn hex_list(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("\"{}\"", id.simple())).collect();
    format!("[{}]", ids.join(","))
}

fn of_driver(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

fn state(row: &QueryResult) -> Result<(Uuid, KnownTask), DbErr> {
    let status: TaskStatus = row.try_get("", "status")?;
    let attempt: i32 = row.try_get("", "attempt")?;
    let runtime_id: Option<String> = row.try_get("", "runtime_id")?;
    let alive: Option<bool> = row.try_get("", "alive")?;
    let known = KnownTask {
        status,
        attempt: attempt.try_into().unwrap_or_default(),
        error: row.try_get("", "error")?,
        finished_at: row.try_get("", "finished_at")?,
        to_be_cancelled: row.try_get("", "to_be_cancelled")?,
        runs_in: runtime_id.map(|runtime_id| RunsIn { runtime_id, alive: alive.unwrap_or_default() }),
    };
    Ok((row.try_get("", "id_task")?, known))
}
