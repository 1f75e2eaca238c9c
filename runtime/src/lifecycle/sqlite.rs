//! Rows into SQLite: a transaction of multi-row inserts.
//!
//! SQLite has no arrays: each value is a parameter, and each number of rows another text to prepare. So the rows go in
//! pieces whose sizes are powers of two, of which there are few; prepared once, they stay so. Bound through the driver that SeaORM's
//! connection hands out: SeaORM would build the statement of 1,536 values anew for each piece, and copy each text twice.

use std::{collections::HashMap, sync::LazyLock};

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
    sqlx::{self, Sqlite, SqlitePool, Transaction, sqlite::SqliteArguments},
};
use uuid::Uuid;

use super::{
    AttemptRow, EventRow, Novelty, TaskRow,
    columns::{ATTEMPT_COLUMNS, Column, EVENT_COLUMNS, TASK_COLUMNS, number, with_receipt},
    queries::hex_list,
    upsert,
    verdict::as_seaorm,
};

/// The most rows of a statement, a power of two. SQLite takes 32,766 parameters, of which these need 1,536; more rows bring nothing.
const STATEMENT_ROWS: usize = 64;

/// How many powers of two there are up to that.
const SIZES: usize = STATEMENT_ROWS.ilog2() as usize + 1;

static UPSERT_KNOWN_TASKS: LazyLock<Statements> =
    LazyLock::new(|| Statements::new("task_store", &with_receipt(&TASK_COLUMNS), &upsert::conflict_of_known_tasks()));

static UPSERT_TASKS: LazyLock<Statements> =
    LazyLock::new(|| Statements::new("task_store", &with_receipt(&TASK_COLUMNS), &upsert::conflict_of_tasks()));

static INSERT_TASKS: LazyLock<Statements> =
    LazyLock::new(|| Statements::new("task_store", &with_receipt(&TASK_COLUMNS), "ON CONFLICT (id_task) DO NOTHING"));

static INSERT_NEW_TASKS: LazyLock<Statements> =
    LazyLock::new(|| Statements::new("task_store", &with_receipt(&TASK_COLUMNS), upsert::conflict_of_new_tasks()));

static UPSERT_ATTEMPTS: LazyLock<Statements> =
    LazyLock::new(|| Statements::new("task_attempt", &with_receipt(&ATTEMPT_COLUMNS), &upsert::conflict_of_attempts()));

static INSERT_EVENTS: LazyLock<Statements> =
    LazyLock::new(|| Statements::new("event_store", &EVENT_COLUMNS, "ON CONFLICT (id_event_store) DO NOTHING"));

/// What is kept in the rows of those tasks.
const KEPT_ATTEMPTS: &str =
    "SELECT id_task, id_attempt FROM task_store WHERE id_task IN (SELECT unhex(value) FROM json_each($1))";

/// An insert of one row, of two, of four, and so on.
struct Statements([String; SIZES]);

impl Statements {
    fn new(table: &str, columns: &[Column], conflict: &str) -> Self {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let row = format!("({})", vec!["?"; names.len()].join(","));
        let insert = format!("INSERT INTO {table} ({}) VALUES", names.join(", "));
        Self(std::array::from_fn(|size| format!("{insert} {} {conflict}", vec![row.as_str(); 1 << size].join(","))))
    }

    /// Writes a [piece](pieces); gives how many of its rows were written.
    async fn write<R>(
        &'static self,
        transaction: &mut Transaction<'_, Sqlite>,
        piece: &[R],
        bind: impl for<'q> Fn(Query<'q>, &R) -> Query<'q>,
    ) -> Result<u64, sqlx::Error> {
        let statement = self.0.get(piece.len().ilog2() as usize).expect("a piece has one of the sizes");
        let query = piece.iter().fold(sqlx::query(statement.as_str()), bind);
        Ok(query.execute(&mut **transaction).await?.rows_affected())
    }

    /// Writes rows in a transaction of their own; gives how many were written.
    async fn write_all<R>(
        &'static self,
        pool: &SqlitePool,
        rows: &[R],
        bind: impl for<'q> Fn(Query<'q>, &R) -> Query<'q>,
    ) -> Result<u64, sqlx::Error> {
        let (mut transaction, mut written) = (pool.begin_with(BEGIN).await?, 0);
        for piece in pieces(rows) {
            written += self.write(&mut transaction, piece, &bind).await?;
        }
        transaction.commit().await?;
        Ok(written)
    }
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Inserts each task, or updates its row if that yields; and its attempts. Gives those that had to be new, and are not.
pub(super) async fn write_tasks(db: &DatabaseConnection, rows: &[&TaskRow]) -> Result<Vec<Uuid>, DbErr> {
    write(db.get_sqlite_connection_pool(), rows).await.map_err(as_seaorm)
}

async fn write(pool: &SqlitePool, rows: &[&TaskRow]) -> Result<Vec<Uuid>, sqlx::Error> {
    let mut transaction = pool.begin_with(BEGIN).await?;
    let (to_be_new, others): (Vec<&TaskRow>, Vec<_>) =
        rows.iter().copied().partition(|row| row.novelty == Novelty::Required);
    debug_assert!(to_be_new.iter().all(|row| row.other_attempts().is_empty()), "they would not be told");
    let mut standing = Vec::new();
    for piece in pieces(&to_be_new) {
        if INSERT_NEW_TASKS.write(&mut transaction, piece, bind_task).await? == piece.len() as u64 {
            continue;
        }
        // Which ones: those that were written just now count once more.
        for row in piece {
            if INSERT_NEW_TASKS.write(&mut transaction, &[*row], bind_task).await? == 0 {
                standing.push(row.id);
            }
        }
    }
    upsert(&mut transaction, &others).await?;
    transaction.commit().await?;
    Ok(standing)
}

async fn upsert(transaction: &mut Transaction<'_, Sqlite>, rows: &[&TaskRow]) -> Result<(), sqlx::Error> {
    let others = rows.iter().flat_map(|row| row.other_attempts().iter().map(|attempt| (row.id, attempt)));
    let mut attempts: Vec<_> = others.collect();
    for piece in pieces(rows) {
        let all = piece.len() as u64;
        // As a rule nothing is stored of a task, or all that it is. What is written twice is the same both times.
        if UPSERT_KNOWN_TASKS.write(transaction, piece, bind_task).await? < all
            && UPSERT_TASKS.write(transaction, piece, bind_task).await? < all
        {
            attempts.extend(left_over(transaction, piece).await?);
        }
    }
    for piece in pieces(&attempts) {
        UPSERT_ATTEMPTS.write(transaction, piece, bind_attempt).await?;
    }
    Ok(())
}

/// The attempts that were to be kept in rows which did not yield, each with its task. A stored row that has the very attempt was
/// written by the first of the two statements, or before, when the answer was lost.
async fn left_over<'r>(
    transaction: &mut Transaction<'_, Sqlite>,
    rows: &[&'r TaskRow],
) -> Result<Vec<(Uuid, &'r AttemptRow)>, sqlx::Error> {
    let kept: Vec<_> = rows.iter().filter_map(|row| Some((row.id, row.kept_attempt()?))).collect();
    if kept.is_empty() {
        return Ok(kept);
    }
    let ids: Vec<Uuid> = kept.iter().map(|(task, _)| *task).collect();
    let stored = sqlx::query_as::<_, (Uuid, Option<Uuid>)>(KEPT_ATTEMPTS).bind(hex_list(&ids));
    let stored: HashMap<_, _> = stored.fetch_all(&mut **transaction).await?.into_iter().collect();
    Ok(kept.into_iter().filter(|(task, attempt)| stored.get(task) != Some(&Some(attempt.id))).collect())
}

/// Inserts each task that has no row yet; says how many.
pub(super) async fn insert_tasks(db: &DatabaseConnection, rows: &[&TaskRow]) -> Result<u64, DbErr> {
    INSERT_TASKS.write_all(db.get_sqlite_connection_pool(), rows, bind_task).await.map_err(as_seaorm)
}

/// Inserts each event that has no row yet.
pub(super) async fn insert_events(db: &DatabaseConnection, rows: &[&EventRow]) -> Result<(), DbErr> {
    INSERT_EVENTS.write_all(db.get_sqlite_connection_pool(), rows, bind_event).await.map(drop).map_err(as_seaorm)
}

/// Takes the write lock at once: a transaction that began by reading could not wait for another writer.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// Begins a transaction in the same way, for statements of SeaORM's.
pub(super) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    db.begin_with_options(options).await
}

/// Splits rows into pieces of 64, and what is left by its binary digits.
fn pieces<R>(mut rows: &[R]) -> impl Iterator<Item = &[R]> {
    std::iter::from_fn(move || {
        let size = STATEMENT_ROWS.min(1 << rows.len().checked_ilog2()?);
        let (piece, rest) = rows.split_at_checked(size)?;
        rows = rest;
        Some(piece)
    })
}

/// As [`TASK_COLUMNS`], and the receipt of the attempt that is kept in the row.
fn bind_task<'q>(query: Query<'q>, row: &&TaskRow) -> Query<'q> {
    let kept = row.kept_attempt();
    let query = query
        .bind(row.id)
        .bind(row.correlation_id.clone())
        .bind(row.producer_app.clone())
        .bind(row.created_at)
        .bind(row.task_name.clone())
        .bind(row.payload.clone())
        .bind(row.status.as_str())
        .bind(row.result.clone())
        .bind(row.error.clone())
        .bind(row.message_id.clone())
        .bind(row.routing_key.clone())
        .bind(number(row.attempt))
        .bind(row.component_digest.clone())
        .bind(row.runtime_id.clone())
        .bind(row.started_at)
        .bind(row.finished_at)
        .bind(kept.map(|attempt| attempt.id));
    bind_receipt(query, kept)
}

/// As [`ATTEMPT_COLUMNS`], and its receipt.
fn bind_attempt<'q>(query: Query<'q>, (task, attempt): &(Uuid, &AttemptRow)) -> Query<'q> {
    let query = query
        .bind(*task)
        .bind(attempt.id)
        .bind(number(attempt.attempt))
        .bind(attempt.runtime_id.clone())
        .bind(attempt.component_digest.clone())
        .bind(attempt.started_at)
        .bind(attempt.finished_at)
        .bind(attempt.outcome.as_str())
        .bind(attempt.error_class())
        .bind(attempt.error().map(str::to_owned));
    bind_receipt(query, Some(attempt))
}

/// As [`RECEIPT_COLUMNS`](super::columns::RECEIPT_COLUMNS): NULL where there is no attempt.
fn bind_receipt<'q>(query: Query<'q>, of: Option<&AttemptRow>) -> Query<'q> {
    query
        .bind(of.and_then(AttemptRow::cpu_us))
        .bind(of.and_then(|attempt| attempt.bytes(|receipt| receipt.memory)))
        .bind(of.and_then(|attempt| attempt.bytes(|receipt| receipt.payload)))
        .bind(of.and_then(|attempt| attempt.bytes(|receipt| receipt.result)))
        .bind(of.and_then(AttemptRow::log_bytes))
        .bind(of.and_then(AttemptRow::http).map(|http| http.to_string()))
        .bind(of.and_then(AttemptRow::log).map(str::to_owned))
}

/// As [`EVENT_COLUMNS`].
fn bind_event<'q>(query: Query<'q>, row: &&EventRow) -> Query<'q> {
    query
        .bind(row.id)
        .bind(row.correlation_id.clone())
        .bind(row.producer_app.clone())
        .bind(row.created_at)
        .bind(row.headers.clone())
        .bind(row.payload.clone())
        .bind(row.routing_key.clone())
        .bind(row.message_id.clone())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use sea_orm::sqlx::{Arguments, Execute};

    use super::*;

    #[test]
    fn few_sizes_of_statement_serve_every_number_of_rows() {
        let sizes = |rows: usize| pieces(&vec![&(); rows]).map(<[_]>::len).collect::<Vec<_>>();
        assert!(sizes(0).is_empty());
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(100), [64, 32, 4]);
        assert_eq!(sizes(200), [64, 64, 64, 8]);
    }

    /// The driver takes a value that is missing for NULL.
    #[test]
    fn each_column_is_given_its_value() {
        let values = |mut query: Query<'_>| query.take_arguments().unwrap().unwrap().len();
        let at = DateTime::UNIX_EPOCH;
        let (task, attempt) = (TaskRow::new(Uuid::nil(), at), AttemptRow::begun(0, "r".into(), at));
        let event = EventRow {
            id: Uuid::nil(),
            correlation_id: None,
            producer_app: None,
            created_at: at,
            headers: None,
            payload: None,
            routing_key: "k".into(),
            message_id: None,
            presumed_new: true,
        };
        assert_eq!(values(bind_task(sqlx::query(""), &&task)), with_receipt(&TASK_COLUMNS).len());
        assert_eq!(values(bind_attempt(sqlx::query(""), &(task.id, &attempt))), with_receipt(&ATTEMPT_COLUMNS).len());
        assert_eq!(values(bind_event(sqlx::query(""), &&event)), EVENT_COLUMNS.len());
    }
}
