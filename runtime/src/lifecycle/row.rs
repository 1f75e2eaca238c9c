//! What the two kinds of row have in common, so that one writer serves both.

use std::sync::Arc;

use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    Database, EventRow, Outcomes, TaskRow, database::Backend, postgres, sqlite, stored_text::has_nul_escape,
    tally::Tally,
};

/// Why Postgres would refuse a row that has the escape: its own words.
const NUL_ESCAPE: &str = "unsupported Unicode escape sequence: \\u0000 cannot be converted to text";

/// A row that a writer can hold, merge and write. As a rule shared with who records it, and who makes another one of it if it is refused.
pub(super) trait Row: Send + Sync + Sized + 'static {
    /// The name of the rows, in the plural.
    const KIND: &'static str;

    /// The primary key.
    fn id(&self) -> Uuid;

    /// Becomes what the stored row would be if this one and then `newer` were written.
    fn absorb(&mut self, newer: Self);

    /// Roughly what the row weighs in a statement, in bytes.
    fn size_bytes(&self) -> usize;

    /// With what no column can hold replaced.
    fn clean(self) -> Self;

    /// The reason for which the database is known to refuse the row.
    fn refusal(&self, backend: Backend) -> Option<&'static str>;

    /// Writes all rows but those that had to be new and are not, whose ids it gives. They are sorted by id, and no id is there twice. After
    /// an error some may be written: to write them again changes nothing.
    fn write(db: &Database, rows: &[&Self]) -> impl Future<Output = Result<Vec<Uuid>, DbErr>> + Send;

    /// The row is committed.
    fn tell(&self, outcomes: &Outcomes, tally: &Tally);
}

impl Row for Arc<TaskRow> {
    const KIND: &'static str = "tasks";

    fn id(&self) -> Uuid {
        self.id
    }

    fn absorb(&mut self, newer: Self) {
        Self::make_mut(self).absorb(Self::unwrap_or_clone(newer));
    }

    fn size_bytes(&self) -> usize {
        TaskRow::size_bytes(self)
    }

    fn clean(self) -> Self {
        if self.is_clean() { self } else { Self::unwrap_or_clone(self).clean().into() }
    }

    fn refusal(&self, backend: Backend) -> Option<&'static str> {
        refusal([self.payload.as_deref(), self.result.as_deref()], backend)
    }

    async fn write(db: &Database, rows: &[&Self]) -> Result<Vec<Uuid>, DbErr> {
        let rows: Vec<&TaskRow> = rows.iter().map(|row| &***row).collect();
        match db.backend {
            Backend::Postgres => postgres::write_tasks(db, &rows).await,
            Backend::Sqlite => sqlite::write_tasks(&db.writer, &rows).await,
        }
    }

    fn tell(&self, outcomes: &Outcomes, tally: &Tally) {
        tally.count(self.status);
        if self.status.is_final() {
            outcomes.tell(self.id);
        }
    }
}

impl Row for Arc<EventRow> {
    const KIND: &'static str = "events";

    fn id(&self) -> Uuid {
        self.id
    }

    /// The first one stays: an event never changes.
    fn absorb(&mut self, _newer: Self) {}

    fn size_bytes(&self) -> usize {
        EventRow::size_bytes(self)
    }

    fn clean(self) -> Self {
        if self.is_clean() { self } else { Self::unwrap_or_clone(self).clean().into() }
    }

    fn refusal(&self, backend: Backend) -> Option<&'static str> {
        refusal([self.payload.as_deref(), self.headers.as_deref()], backend)
    }

    async fn write(db: &Database, rows: &[&Self]) -> Result<Vec<Uuid>, DbErr> {
        let rows: Vec<&EventRow> = rows.iter().map(|row| &***row).collect();
        match db.backend {
            Backend::Postgres => postgres::write_events(db, &rows).await?,
            Backend::Sqlite => sqlite::insert_events(&db.writer, &rows).await?,
        }
        Ok(Vec::new())
    }

    fn tell(&self, _outcomes: &Outcomes, _tally: &Tally) {}
}

fn refusal(json: [Option<&str>; 2], backend: Backend) -> Option<&'static str> {
    let refused = backend == Backend::Postgres && json.into_iter().flatten().any(has_nul_escape);
    refused.then_some(NUL_ESCAPE)
}
