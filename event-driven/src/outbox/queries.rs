//! What the relay asks the database, in words that stay cheap however many rows wait.
//!
//! Every search walks the index `(entity_key, id)` from a given point and takes the next entry. That is why they are put
//! as "the first in the order of `entity_key, id` after …": no other index has that order, so no statistics, however old,
//! can make a planner read a backlog from its beginning. Measured with a million rows of which one key has 900,000: 256
//! keys in 2 ms, their rows in 12 ms, on Postgres as on SQLite.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value};

use super::{dialect::Dialect, row::Row};

/// The first row of a key.
#[derive(Debug, FromQueryResult)]
pub(super) struct Head {
    pub(super) id: i64,
    pub(super) entity_key: String,
    /// It was never refused, or its pause is over.
    pub(super) is_due: bool,
}

/// What is left when everything was looked at.
#[derive(Debug, Default)]
pub(super) struct Outlook {
    /// A row without a key could be published: another relay holds it.
    pub(super) held_elsewhere: bool,
    /// When the next refused row is due.
    pub(super) next_retry: Option<Duration>,
}

/// The id of the newest row.
pub(super) async fn newest(db: &impl ConnectionTrait) -> Result<Option<i64>, DbErr> {
    let dialect = Dialect::of(db.get_database_backend())?;
    let row = db.query_one_raw(dialect.statement("SELECT max(id) AS id FROM event_outbox", [])).await?;
    row.map_or(Ok(None), |row| row.try_get("", "id"))
}

/// The first rows of the `most` keys that follow `after`.
pub(super) async fn heads(db: &impl ConnectionTrait, after: &str, most: u64) -> Result<Vec<Head>, DbErr> {
    let dialect = Dialect::of(db.get_database_backend())?;
    let due = due(dialect, "head");
    let sql = format!(
        "WITH RECURSIVE head(id, entity_key, retry_at) AS ( \
           SELECT o.id, o.entity_key, o.retry_at FROM event_outbox o WHERE o.id = ( \
             SELECT f.id FROM event_outbox f WHERE f.entity_key > $1 ORDER BY f.entity_key, f.id LIMIT 1) \
           UNION ALL \
           SELECT o.id, o.entity_key, o.retry_at FROM head h JOIN event_outbox o ON o.id = ( \
             SELECT f.id FROM event_outbox f WHERE f.entity_key > h.entity_key ORDER BY f.entity_key, f.id LIMIT 1)) \
         SELECT id, entity_key, {due} AS is_due FROM head LIMIT $2"
    );
    Head::find_by_statement(dialect.statement(&sql, [after.into(), number(most)])).all(db).await
}

/// Of these rows those that are the first of their key and due, each with up to `most` of its key in all, by id. Postgres:
/// locks the first rows, and leaves out those that another relay has locked.
///
/// One statement, so that all of it is seen at one moment: when a row with a lower id has been committed since the first
/// rows were looked up, its key is left out.
pub(super) async fn chains(db: &impl ConnectionTrait, heads: &[i64], most: u64) -> Result<Vec<Row>, DbErr> {
    let dialect = Dialect::of(db.get_database_backend())?;
    let (listed, due, lock) = (dialect.is_in("o.id", "$1"), due(dialect, "o"), dialect.lock());
    let columns = Row::columns(dialect);
    let sql = format!(
        "WITH RECURSIVE mine AS MATERIALIZED ( \
           SELECT o.id, o.entity_key FROM event_outbox o WHERE {listed} AND {due} AND o.id = ( \
             SELECT f.id FROM event_outbox f WHERE f.entity_key >= o.entity_key ORDER BY f.entity_key, f.id LIMIT 1) \
           {lock}), \
         chain(id, entity_key, n) AS ( \
           SELECT id, entity_key, 1 FROM mine \
           UNION ALL \
           SELECT o.id, c.entity_key, c.n + 1 FROM chain c JOIN event_outbox o ON o.id = ( \
             SELECT f.id FROM event_outbox f WHERE (f.entity_key, f.id) > (c.entity_key, c.id) \
             ORDER BY f.entity_key, f.id LIMIT 1) \
           WHERE o.entity_key = c.entity_key AND c.n < $2) \
         SELECT {columns} FROM chain JOIN event_outbox o ON o.id = chain.id ORDER BY o.id"
    );
    find(db, dialect.statement(&sql, [dialect.list(heads), number(most)])).await
}

/// Rows without a key whose ids are above `after` and not above `newest`, by id. Postgres: locks them, and leaves out those
/// that another relay has locked.
pub(super) async fn unordered(
    db: &impl ConnectionTrait,
    after: i64,
    newest: i64,
    most: u64,
) -> Result<Vec<Row>, DbErr> {
    let dialect = Dialect::of(db.get_database_backend())?;
    let (columns, due, lock) = (Row::columns(dialect), due(dialect, "o"), dialect.lock());
    let sql = format!(
        "SELECT {columns} FROM event_outbox o WHERE o.entity_key IS NULL AND o.id > $1 AND o.id <= $2 AND {due} \
         ORDER BY o.entity_key, o.id LIMIT $3 {lock}"
    );
    find(db, dialect.statement(&sql, [after.into(), newest.into(), number(most)])).await
}

/// What is left; rows above `newest` are not meant.
pub(super) async fn outlook(db: &impl ConnectionTrait, newest: i64) -> Result<Outlook, DbErr> {
    let dialect = Dialect::of(db.get_database_backend())?;
    let seconds = dialect.seconds_until("min(retry_at)");
    let (comes, due) = (dialect.comes("retry_at"), due(dialect, "o"));
    let sql = format!(
        "SELECT (SELECT {seconds} FROM event_outbox WHERE retry_at IS NOT NULL AND {comes}) AS seconds, \
           (SELECT o.id FROM event_outbox o WHERE o.entity_key IS NULL AND o.id <= $1 AND {due} \
            ORDER BY o.entity_key, o.id LIMIT 1) AS id"
    );
    let Some(row) = db.query_one_raw(dialect.statement(&sql, [newest.into()])).await? else {
        return Ok(Outlook::default());
    };
    let seconds: Option<f64> = row.try_get("", "seconds")?;
    let id: Option<i64> = row.try_get("", "id")?;
    let next_retry = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    Ok(Outlook { held_elsewhere: id.is_some(), next_retry })
}

/// These rows were confirmed.
pub(super) async fn delete(db: &impl ConnectionTrait, ids: &[i64]) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let dialect = Dialect::of(db.get_database_backend())?;
    let sql = format!("DELETE FROM event_outbox WHERE {}", dialect.is_in("id", "$1"));
    db.execute_raw(dialect.statement(&sql, [dialect.list(ids)])).await?;
    Ok(())
}

/// This row was refused, and is not tried again before `pause` is over.
pub(super) async fn refuse(db: &impl ConnectionTrait, id: i64, error: &str, pause: Duration) -> Result<(), DbErr> {
    let dialect = Dialect::of(db.get_database_backend())?;
    let retry_at = dialect.later("$3");
    let sql = format!(
        "UPDATE event_outbox SET attempts = attempts + 1, last_error = $2, retry_at = {retry_at} WHERE id = $1"
    );
    db.execute_raw(dialect.statement(&sql, [id.into(), error.into(), pause.as_secs_f64().into()])).await?;
    Ok(())
}

async fn find(db: &impl ConnectionTrait, statement: Statement) -> Result<Vec<Row>, DbErr> {
    db.query_all_raw(statement).await?.iter().map(Row::read).collect()
}

fn number(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// The row was never refused, or its pause is over.
fn due(dialect: Dialect, row: &str) -> String {
    format!("({row}.retry_at IS NULL OR {row}.retry_at <= {})", dialect.now())
}
