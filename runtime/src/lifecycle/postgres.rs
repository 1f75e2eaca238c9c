//! Rows into Postgres: one statement for any number of them, by arrays.
//!
//! The text of the statement is always the same, so that it is prepared once; a row is the n-th element of each array.
//! Bound through the driver that SeaORM's connection hands out, not as SeaORM's values: those can hold no NULL in an array
//! (its driver glue panics), and would copy each text twice. JSON travels as text and is parsed by Postgres alone.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, sqlx};

use super::{EventRow, TaskRow, upsert};

/// In the order of the arguments.
const TASK_COLUMNS: [(&str, &str); 16] = [
    ("id_task", "uuid"),
    ("correlation_id", "text"),
    ("producer_app", "text"),
    ("created_at", "timestamptz"),
    ("task_name", "text"),
    ("payload", "text"),
    ("status", "text"),
    ("result", "text"),
    ("error", "text"),
    ("message_id", "text"),
    ("routing_key", "text"),
    ("attempt", "int4"),
    ("component_digest", "text"),
    ("runtime_id", "text"),
    ("started_at", "timestamptz"),
    ("finished_at", "timestamptz"),
];

/// In the order of the arguments.
const EVENT_COLUMNS: [(&str, &str); 8] = [
    ("id_event_store", "uuid"),
    ("correlation_id", "text"),
    ("producer_app", "text"),
    ("created_at", "timestamptz"),
    ("headers", "text"),
    ("payload", "text"),
    ("routing_key", "text"),
    ("message_id", "text"),
];

/// The columns that arrive as text and are stored as JSON.
const JSON: [&str; 3] = ["headers", "payload", "result"];

static UPSERT_TASKS: LazyLock<String> = LazyLock::new(|| {
    let kept = upsert::KEPT.map(|column| format!("{column} = {}", upsert::kept(column)));
    let set = upsert::SET.map(|column| format!("{column} = excluded.{column}"));
    let (insert, kept, set, yields) =
        (insert("task_store", &TASK_COLUMNS), kept.join(", "), set.join(", "), upsert::YIELDS);
    format!("{insert} ON CONFLICT (id_task) DO UPDATE SET {kept}, {set} WHERE {yields}")
});

static INSERT_TASKS: LazyLock<String> =
    LazyLock::new(|| format!("{} ON CONFLICT (id_task) DO NOTHING", insert("task_store", &TASK_COLUMNS)));

static INSERT_EVENTS: LazyLock<String> =
    LazyLock::new(|| format!("{} ON CONFLICT (id_event_store) DO NOTHING", insert("event_store", &EVENT_COLUMNS)));

/// `INSERT INTO … SELECT … FROM unnest(…)`.
fn insert(table: &str, columns: &[(&str, &str)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<String> = names
        .iter()
        .map(|name| if JSON.contains(name) { format!("{name}::jsonb") } else { (*name).to_owned() })
        .collect();
    let arrays: Vec<String> =
        columns.iter().enumerate().map(|(n, (_, type_name))| format!("${}::{type_name}[]", n + 1)).collect();
    let (names, values, arrays) = (names.join(", "), values.join(", "), arrays.join(", "));
    format!("INSERT INTO {table} ({names}) SELECT {values} FROM unnest({arrays}) AS new({names})")
}

/// Inserts each task, or updates its row if that yields.
pub(super) async fn upsert_tasks(db: &DatabaseConnection, rows: &[&TaskRow]) -> Result<(), DbErr> {
    write_tasks(db, &UPSERT_TASKS, rows).await.map(drop)
}

/// Inserts each task that has no row yet; says how many.
pub(super) async fn insert_tasks(db: &DatabaseConnection, rows: &[&TaskRow]) -> Result<u64, DbErr> {
    write_tasks(db, &INSERT_TASKS, rows).await
}

async fn write_tasks(db: &DatabaseConnection, statement: &'static str, rows: &[&TaskRow]) -> Result<u64, DbErr> {
    let attempts: Vec<i32> = rows.iter().map(|row| row.attempt.try_into().unwrap_or(i32::MAX)).collect();
    let query = sqlx::query(statement)
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(texts(rows, |row| &row.correlation_id))
        .bind(texts(rows, |row| &row.producer_app))
        .bind(rows.iter().map(|row| row.created_at).collect::<Vec<_>>())
        .bind(texts(rows, |row| &row.task_name))
        .bind(texts(rows, |row| &row.payload))
        .bind(rows.iter().map(|row| row.status.as_str()).collect::<Vec<_>>())
        .bind(texts(rows, |row| &row.result))
        .bind(texts(rows, |row| &row.error))
        .bind(texts(rows, |row| &row.message_id))
        .bind(texts(rows, |row| &row.routing_key))
        .bind(attempts)
        .bind(texts(rows, |row| &row.component_digest))
        .bind(texts(rows, |row| &row.runtime_id))
        .bind(rows.iter().map(|row| row.started_at).collect::<Vec<Option<DateTime<Utc>>>>())
        .bind(rows.iter().map(|row| row.finished_at).collect::<Vec<Option<DateTime<Utc>>>>());
    let pool = db.get_postgres_connection_pool();
    query.execute(pool).await.map(|done| done.rows_affected()).map_err(as_seaorm)
}

/// Inserts each event that has no row yet.
pub(super) async fn insert_events(db: &DatabaseConnection, rows: &[&EventRow]) -> Result<(), DbErr> {
    let query = sqlx::query(INSERT_EVENTS.as_str())
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(texts(rows, |row| &row.correlation_id))
        .bind(texts(rows, |row| &row.producer_app))
        .bind(rows.iter().map(|row| row.created_at).collect::<Vec<_>>())
        .bind(texts(rows, |row| &row.headers))
        .bind(texts(rows, |row| &row.payload))
        .bind(rows.iter().map(|row| &*row.routing_key).collect::<Vec<_>>())
        .bind(texts(rows, |row| &row.message_id));
    query.execute(db.get_postgres_connection_pool()).await.map(drop).map_err(as_seaorm)
}

/// One array of nullable texts, borrowed.
fn texts<'a, R>(rows: &[&'a R], text: impl Fn(&'a R) -> &'a Option<Arc<str>>) -> Vec<Option<&'a str>> {
    rows.iter().map(|row| text(row).as_deref()).collect()
}

/// As SeaORM itself would wrap it, so that all errors of the database are judged in one place.
fn as_seaorm(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}
