//! Rows of which nothing is stored yet into Postgres: `COPY`, which takes little more than half of what an upsert does.
//!
//! It knows no conflicts: if one of the rows is there after all, none is copied, and they are inserted one way or the other. So that a row is
//! [presumed new](super::Novelty) decides only which statement is tried first. Where presumptions turn out wrong, the next
//! statements are upserts at once.
//!
//! The format is that of `COPY … (FORMAT binary)`: <https://www.postgresql.org/docs/current/sql-copy.html>.

use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use chrono::{DateTime, Utc};
use sea_orm::sqlx::{self, PgPool};

use super::{
    AttemptRow, EventRow, TaskRow,
    columns::{Column, EVENT_COLUMNS, RECEIPT_COLUMNS, TASK_COLUMNS, number},
    given_up::Links,
};

/// Fewer rows are upserted: that statement is prepared, and takes one round trip where this takes two.
const FEWEST_ROWS: usize = 16;

/// So many statements are upserts after a conflict.
const UPSERTS: u32 = 100;

/// Where `COPY` is refused as such: row-level security (`feature_not_supported`), a view (`wrong_object_type`).
const NEVER: [&str; 2] = ["0A000", "42809"];

/// What stands before the rows: a signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// In place of a row's number of columns.
const TRAILER: i16 = -1;

/// In place of a value's length.
const NULL: i32 = -1;

/// What a value of `jsonb` begins with; its text follows.
const JSONB_VERSION: u8 = 1;

/// PostgreSQL's epoch, 2000-01-01, in microseconds of ours.
const EPOCH: i64 = 946_684_800_000_000;

/// Whether rows that were presumed new have been so of late.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// Tasks.
    pub(super) tasks: Copying,
    /// Events.
    pub(super) events: Copying,
}

/// The same for one kind of row.
#[derive(Debug, Default)]
pub(super) struct Copying {
    upserts_left: AtomicU32,
}

impl Copying {
    /// The rows to be copied, and the others: all of them, where those that are new are few, or were not new of late.
    pub(super) fn split<'r, R>(&self, rows: &[&'r R], is_new: impl Fn(&R) -> bool) -> (Vec<&'r R>, Vec<&'r R>) {
        let (new, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| is_new(row));
        match self.is_worth_it(new.len()) {
            true => (new, others),
            false => (Vec::new(), rows.to_vec()),
        }
    }

    /// Whether so many rows are worth a try.
    fn is_worth_it(&self, rows: usize) -> bool {
        rows >= FEWEST_ROWS && self.upserts_left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err()
    }

    /// Rows were not new that were presumed to be: the next statements are upserts at once.
    pub(super) fn presume_less(&self) {
        self.upserts_left.fetch_max(UPSERTS, Relaxed);
    }

    /// Writes all rows, or none if one of them is there already, or nothing can be copied here: then false.
    pub(super) async fn copy(&self, links: &Links, pool: &PgPool, rows: Rows) -> Result<bool, sqlx::Error> {
        match links.copy(pool, rows.statement, &rows.finished()).await {
            Ok(()) => Ok(true),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
            Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| NEVER.contains(&&*code)) => {
                tracing::info!("rows can't be copied into this database, and are inserted: {error}");
                self.upserts_left.store(u32::MAX, Relaxed);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Rows as `COPY` reads them.
pub(super) struct Rows {
    statement: &'static str,
    bytes: Vec<u8>,
}

impl Rows {
    /// Those of `task_store`, each with the attempt that is kept in it; of others they have none.
    pub(super) fn of_tasks(rows: &[&TaskRow]) -> Self {
        let mut copy = Self::new(&COPY_TASKS, rows.iter().map(|row| row.size_bytes()).sum());
        for row in rows {
            copy.begin(TASK_COLUMNS.len() + RECEIPT_COLUMNS.len());
            copy.value(Some(row.id));
            copy.value(row.correlation_id.as_deref());
            copy.value(row.producer_app.as_deref());
            copy.time(Some(row.created_at));
            copy.value(row.task_name.as_deref());
            copy.json(row.payload.as_deref());
            copy.value(Some(row.status.as_str()));
            copy.json(row.result.as_deref());
            copy.value(row.error.as_deref());
            copy.value(row.message_id.as_deref());
            copy.value(row.routing_key.as_deref());
            copy.value(Some(number(row.attempt).to_be_bytes()));
            copy.value(row.component_digest.as_deref());
            copy.value(row.runtime_id.as_deref());
            copy.time(row.started_at);
            copy.time(row.finished_at);
            let kept = row.kept_attempt();
            copy.value(kept.map(|attempt| attempt.id));
            copy.receipt(kept);
        }
        copy
    }

    /// Those of `event_store`.
    pub(super) fn of_events(rows: &[&EventRow]) -> Self {
        let mut copy = Self::new(&COPY_EVENTS, rows.iter().map(|row| row.size_bytes()).sum());
        for row in rows {
            copy.begin(EVENT_COLUMNS.len());
            copy.value(Some(row.id));
            copy.value(row.correlation_id.as_deref());
            copy.value(row.producer_app.as_deref());
            copy.time(Some(row.created_at));
            copy.json(row.headers.as_deref());
            copy.json(row.payload.as_deref());
            copy.value(Some(&*row.routing_key));
            copy.value(row.message_id.as_deref());
        }
        copy
    }

    fn new(statement: &'static str, bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(HEADER.len() + bytes);
        buffer.extend_from_slice(HEADER);
        Self { statement, bytes: buffer }
    }

    fn finished(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&TRAILER.to_be_bytes());
        self.bytes
    }

    fn begin(&mut self, columns: usize) {
        // There are some twenty.
        self.bytes.extend_from_slice(&i16::try_from(columns).unwrap_or(i16::MAX).to_be_bytes());
    }

    fn receipt(&mut self, of: Option<&AttemptRow>) {
        self.int8(of.and_then(AttemptRow::cpu_us));
        self.int8(of.and_then(|attempt| attempt.bytes(|receipt| receipt.memory)));
        self.int8(of.and_then(|attempt| attempt.bytes(|receipt| receipt.payload)));
        self.int8(of.and_then(|attempt| attempt.bytes(|receipt| receipt.result)));
        self.int8(of.and_then(AttemptRow::log_bytes));
        self.json(of.and_then(AttemptRow::http).map(|http| http.to_string()).as_deref());
        self.value(of.and_then(AttemptRow::log));
    }

    fn json(&mut self, text: Option<&str>) {
        match text {
            Some(text) => {
                self.length(1 + text.len());
                self.bytes.push(JSONB_VERSION);
                self.bytes.extend_from_slice(text.as_bytes());
            }
            None => self.value(None::<&str>),
        }
    }

    fn time(&mut self, time: Option<DateTime<Utc>>) {
        self.int8(time.map(|time| time.timestamp_micros() - EPOCH));
    }

    fn int8(&mut self, number: Option<i64>) {
        self.value(number.map(i64::to_be_bytes));
    }

    fn value(&mut self, value: Option<impl AsRef<[u8]>>) {
        match value {
            Some(value) => {
                let value = value.as_ref();
                self.length(value.len());
                self.bytes.extend_from_slice(value);
            }
            None => self.bytes.extend_from_slice(&NULL.to_be_bytes()),
        }
    }

    /// A longer one than fits is refused by the server: the bytes that follow are not as many.
    fn length(&mut self, bytes: usize) {
        self.bytes.extend_from_slice(&i32::try_from(bytes).unwrap_or(i32::MAX).to_be_bytes());
    }
}

static COPY_TASKS: LazyLock<String> =
    LazyLock::new(|| statement("task_store", TASK_COLUMNS.iter().chain(&RECEIPT_COLUMNS)));

static COPY_EVENTS: LazyLock<String> = LazyLock::new(|| statement("event_store", &EVENT_COLUMNS));

fn statement<'c>(table: &str, columns: impl IntoIterator<Item = &'c Column>) -> String {
    let names: Vec<&str> = columns.into_iter().map(|(name, _)| *name).collect();
    format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", names.join(", "))
}
