//! Rows into Postgres: one statement for any number of them, by arrays.
//!
//! The text of the statement is always the same, so that it is prepared once; a row is the n-th element of each array.
//! Bound through the driver that SeaORM's connection hands out, not as SeaORM's values: those can hold no NULL in an array
//! (its driver glue panics), and would copy each text twice. JSON travels as text and is parsed by Postgres alone.

use std::{
    collections::HashSet,
    slice,
    sync::{Arc, LazyLock},
};

use sea_orm::{
    DatabaseConnection, DbErr,
    sqlx::{self, PgPool, Row as _},
};
use uuid::Uuid;

use super::{
    AttemptRow, Database, EventRow, Novelty, TaskRow,
    columns::{ATTEMPT_COLUMNS, Column, EVENT_COLUMNS, TASK_COLUMNS, number, with_receipt},
    copy::Rows,
    given_up::{self, Links},
    upsert,
    verdict::as_seaorm,
};

/// The columns that arrive as text and are stored as JSON.
const JSON: [&str; 4] = ["headers", "http", "payload", "result"];

static UPSERT_TASKS: LazyLock<String> = LazyLock::new(|| {
    format!("{} {}", insert("task_store", &with_receipt(&TASK_COLUMNS), 1), upsert::conflict_of_tasks())
});

/// With the attempts that are rows of their own. Most often there are none.
static UPSERT_TASKS_AND_ATTEMPTS: LazyLock<String> = LazyLock::new(|| {
    let attempts = upsert_attempts(with_receipt(&TASK_COLUMNS).len() + 1, "");
    format!("WITH attempts AS ({attempts}) {}", *UPSERT_TASKS)
});

/// A stored row that is gone by now was deleted with all its attempts.
static UPSERT_LEFT_OVER: LazyLock<String> = LazyLock::new(|| {
    // `OFFSET 0` keeps it row by row: it may have been planned while the table was empty.
    let left_over = " CROSS JOIN LATERAL (SELECT id_attempt AS kept FROM task_store WHERE id_task = new.id_task OFFSET 0) t \
         WHERE t.kept IS DISTINCT FROM new.id_attempt";
    upsert_attempts(1, left_over)
});

/// The arrays are the arguments from number `first` on.
fn upsert_attempts(first: usize, which: &str) -> String {
    let insert = insert("task_attempt", &with_receipt(&ATTEMPT_COLUMNS), first);
    format!("{insert}{which} {}", upsert::conflict_of_attempts())
}

static INSERT_TASKS: LazyLock<String> = LazyLock::new(|| {
    format!("{} ON CONFLICT (id_task) DO NOTHING", insert("task_store", &with_receipt(&TASK_COLUMNS), 1))
});

/// Gives those that are written.
static INSERT_NEW_TASKS: LazyLock<String> = LazyLock::new(|| {
    let insert = insert("task_store", &with_receipt(&TASK_COLUMNS), 1);
    format!("{insert} {} RETURNING id_task", upsert::conflict_of_new_tasks())
});

static INSERT_EVENTS: LazyLock<String> =
    LazyLock::new(|| format!("{} ON CONFLICT (id_event_store) DO NOTHING", insert("event_store", &EVENT_COLUMNS, 1)));

/// `INSERT INTO … SELECT … FROM unnest(…)`, whose arrays are the arguments from number `first` on.
fn insert(table: &str, columns: &[Column], first: usize) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<String> = names
        .iter()
        .map(|name| if JSON.contains(name) { format!("{name}::jsonb") } else { (*name).to_owned() })
        .collect();
    let arrays: Vec<String> =
        columns.iter().enumerate().map(|(n, (_, type_name))| format!("${}::{type_name}[]", n + first)).collect();
    let (names, values, arrays) = (names.join(", "), values.join(", "), arrays.join(", "));
    format!("INSERT INTO {table} ({names}) SELECT {values} FROM unnest({arrays}) AS new({names})")
}

/// Inserts each task, or updates its row if that yields; and its attempts. Those that are presumed new are copied, after the others, so
/// that an error of the others leaves none of them behind; if one is not new, after all, they are written as the others are. Gives
/// those that had to be new, and are not.
pub(super) async fn write_tasks(db: &Database, rows: &[&TaskRow]) -> Result<Vec<Uuid>, DbErr> {
    let (pool, copying) = (db.writer.get_postgres_connection_pool(), &db.copies.tasks);
    let is_new = |row: &TaskRow| row.novelty != Novelty::Unknown && row.other_attempts().is_empty();
    let (new, others) = copying.split(rows, is_new);
    let mut standing = write_tasks_one_by_one(&db.links, pool, &others).await?;
    if !new.is_empty() && !copying.copy(&db.links, pool, Rows::of_tasks(&new)).await.map_err(as_seaorm)? {
        let stand = write_tasks_one_by_one(&db.links, pool, &new).await?;
        // Whether those were new was not known to anybody.
        if stand.is_empty() {
            copying.presume_less();
        }
        standing.extend(stand);
    }
    Ok(standing)
}

/// Each without regard to the others, as those demand that are copied. Gives those that had to be new, and are not.
async fn write_tasks_one_by_one(links: &Links, pool: &PgPool, rows: &[&TaskRow]) -> Result<Vec<Uuid>, DbErr> {
    let (to_be_new, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.novelty == Novelty::Required);
    if !others.is_empty() {
        upsert_tasks(links, pool, &others).await?;
    }
    if to_be_new.is_empty() {
        return Ok(Vec::new());
    }
    debug_assert!(to_be_new.iter().all(|row| row.other_attempts().is_empty()), "they would not be told");
    let query = bind_tasks(sqlx::query(INSERT_NEW_TASKS.as_str()), &to_be_new);
    let written = links.fetch_all(pool, query).await.map_err(as_seaorm)?;
    let written: HashSet<Uuid> =
        written.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(as_seaorm)?;
    Ok(to_be_new.iter().map(|row| row.id).filter(|id| !written.contains(id)).collect())
}

/// An attempt that was to be kept in a row which did not yield is written after that: the stored row says whether it is
/// another one's, or was written by this very statement when its answer was lost.
async fn upsert_tasks(links: &Links, pool: &PgPool, rows: &[&TaskRow]) -> Result<(), DbErr> {
    let others = attempts(rows, TaskRow::other_attempts);
    let query = match others.as_slice() {
        [] => bind_tasks(sqlx::query(UPSERT_TASKS.as_str()), rows),
        others => bind_attempts(bind_tasks(sqlx::query(UPSERT_TASKS_AND_ATTEMPTS.as_str()), rows), others),
    };
    let written = links.execute(pool, query).await.map_err(as_seaorm)?.rows_affected();
    if written >= rows.len() as u64 {
        return Ok(());
    }
    let kept = attempts(rows, |row| row.kept_attempt().map(slice::from_ref).unwrap_or_default());
    if kept.is_empty() {
        return Ok(());
    }
    let query = bind_attempts(sqlx::query(UPSERT_LEFT_OVER.as_str()), &kept);
    links.execute(pool, query).await.map(drop).map_err(as_seaorm)
}

/// Those of each row, each with its task.
fn attempts<'q>(rows: &[&'q TaskRow], of: impl Fn(&'q TaskRow) -> &'q [AttemptRow]) -> Vec<(Uuid, &'q AttemptRow)> {
    rows.iter().flat_map(|row| of(row).iter().map(|attempt| (row.id, attempt))).collect()
}

/// Inserts each task that has no row yet; says how many. Of a task that has not begun there are no attempts.
pub(super) async fn insert_tasks(db: &DatabaseConnection, rows: &[&TaskRow]) -> Result<u64, DbErr> {
    let query = bind_tasks(sqlx::query(INSERT_TASKS.as_str()), rows);
    let done = given_up::execute(db.get_postgres_connection_pool(), query).await;
    done.map(|done| done.rows_affected()).map_err(as_seaorm)
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// As [`TASK_COLUMNS`] and [`RECEIPT_COLUMNS`].
fn bind_tasks<'q>(query: Query<'q>, rows: &[&'q TaskRow]) -> Query<'q> {
    let kept = column(rows, TaskRow::kept_attempt);
    let query = query
        .bind(column(rows, |row| row.id))
        .bind(texts(rows, |row| &row.correlation_id))
        .bind(texts(rows, |row| &row.producer_app))
        .bind(column(rows, |row| row.created_at))
        .bind(texts(rows, |row| &row.task_name))
        .bind(texts(rows, |row| &row.payload))
        .bind(column(rows, |row| row.status.as_str()))
        .bind(texts(rows, |row| &row.result))
        .bind(texts(rows, |row| &row.error))
        .bind(texts(rows, |row| &row.message_id))
        .bind(texts(rows, |row| &row.routing_key))
        .bind(column(rows, |row| number(row.attempt)))
        .bind(texts(rows, |row| &row.component_digest))
        .bind(texts(rows, |row| &row.runtime_id))
        .bind(column(rows, |row| row.started_at))
        .bind(column(rows, |row| row.finished_at))
        .bind(column(&kept, |kept| kept.map(|attempt| attempt.id)));
    bind_receipts(query, &kept)
}

/// As [`RECEIPT_COLUMNS`]: NULL where there is no attempt.
fn bind_receipts<'q>(query: Query<'q>, attempts: &[Option<&'q AttemptRow>]) -> Query<'q> {
    query
        .bind(column(attempts, |attempt| attempt?.cpu_us()))
        .bind(column(attempts, |attempt| attempt?.bytes(|receipt| receipt.memory)))
        .bind(column(attempts, |attempt| attempt?.bytes(|receipt| receipt.payload)))
        .bind(column(attempts, |attempt| attempt?.bytes(|receipt| receipt.result)))
        .bind(column(attempts, |attempt| attempt?.log_bytes()))
        .bind(column(attempts, |attempt| Some(attempt?.http()?.to_string())))
        .bind(column(attempts, |attempt| attempt?.log()))
}

/// As [`ATTEMPT_COLUMNS`] and [`RECEIPT_COLUMNS`].
fn bind_attempts<'q>(query: Query<'q>, attempts: &[(Uuid, &'q AttemptRow)]) -> Query<'q> {
    let (tasks, attempts): (Vec<Uuid>, Vec<&AttemptRow>) = attempts.iter().copied().unzip();
    let query = query
        .bind(tasks)
        .bind(column(&attempts, |attempt| attempt.id))
        .bind(column(&attempts, |attempt| number(attempt.attempt)))
        .bind(column(&attempts, |attempt| &*attempt.runtime_id))
        .bind(texts(&attempts, |attempt| &attempt.component_digest))
        .bind(column(&attempts, |attempt| attempt.started_at))
        .bind(column(&attempts, |attempt| attempt.finished_at))
        .bind(column(&attempts, |attempt| attempt.outcome.as_str()))
        .bind(column(&attempts, |attempt| attempt.error_class()))
        .bind(column(&attempts, |attempt| attempt.error()));
    bind_receipts(query, &column(&attempts, Some))
}

/// Inserts each event that has no row yet; as [`write_tasks`].
pub(super) async fn write_events(db: &Database, rows: &[&EventRow]) -> Result<(), DbErr> {
    let (pool, copying) = (db.writer.get_postgres_connection_pool(), &db.copies.events);
    let (new, others) = copying.split(rows, |row| row.presumed_new);
    if !others.is_empty() {
        insert_events(&db.links, pool, &others).await?;
    }
    if !new.is_empty() && !copying.copy(&db.links, pool, Rows::of_events(&new)).await.map_err(as_seaorm)? {
        copying.presume_less();
        insert_events(&db.links, pool, &new).await?;
    }
    Ok(())
}

async fn insert_events(links: &Links, pool: &PgPool, rows: &[&EventRow]) -> Result<(), DbErr> {
    let query = sqlx::query(INSERT_EVENTS.as_str())
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(texts(rows, |row| &row.correlation_id))
        .bind(texts(rows, |row| &row.producer_app))
        .bind(rows.iter().map(|row| row.created_at).collect::<Vec<_>>())
        .bind(texts(rows, |row| &row.headers))
        .bind(texts(rows, |row| &row.payload))
        .bind(rows.iter().map(|row| &*row.routing_key).collect::<Vec<_>>())
        .bind(texts(rows, |row| &row.message_id));
    links.execute(pool, query).await.map(drop).map_err(as_seaorm)
}

fn column<R: Copy, T>(rows: &[R], value: impl Fn(R) -> T) -> Vec<T> {
    rows.iter().map(|row| value(*row)).collect()
}

/// One array of nullable texts, borrowed.
fn texts<'a, R>(rows: &[&'a R], text: impl Fn(&'a R) -> &'a Option<Arc<str>>) -> Vec<Option<&'a str>> {
    rows.iter().map(|row| text(row).as_deref()).collect()
}
