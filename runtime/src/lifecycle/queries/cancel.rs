//! Notes that a task is to be cancelled, where every runtime sees it.
//!
//! The note comes first, then the row's new state: whichever runtime has the task by then, or gets its message later, finds
//! the note. All times are the database's.

use std::{collections::HashSet, time::Duration};

use entity::TaskStatus;
use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;

use super::super::{Database, QueryError};
use crate::outcome::Failure;

/// For how long a note is kept: as long as a message may lie in its queue while no runtime is there. One that waits for its time
/// has a row that is CANCELLED, and needs none.
pub(super) const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What became of the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited, and is CANCELLED.
    AtOnce,
    /// It is noted. The runtime that is at the task ends it within a second; one without a `message_id` that waits is ended
    /// when its message comes.
    Noted,
    /// The task had come to this end before.
    Over(TaskStatus),
    /// No task has this id.
    Unknown,
}

impl Database {
    /// Cancels a task that is not over.
    ///
    /// # Errors
    /// See [`QueryError`]. The same may be asked again.
    pub async fn cancel(&self, id: Uuid) -> Result<Cancelled, QueryError> {
        let Some(status) = self.status_of(id).await? else { return Ok(Cancelled::Unknown) };
        if status.is_final() {
            return Ok(Cancelled::Over(status));
        }
        let now = self.clock().now();
        let note = "INSERT INTO task_cancel (id_task, requested_at) VALUES ($1, $2) \
                    ON CONFLICT (id_task) DO UPDATE SET requested_at = excluded.requested_at";
        self.change_one(note, [id.into(), now.into()]).await?;
        // Nothing in a message without an id leads to a row that is over: it would be executed as a task of its own.
        let alive = self.backend.alive("task_store.runtime_id");
        let end = format!(
            "UPDATE task_store SET status = 'CANCELLED', error = $2, finished_at = $3 \
             WHERE id_task = $1 AND message_id IS NOT NULL \
             AND (status = 'PENDING' OR (status = 'RUNNING' AND NOT {alive}))"
        );
        if self.change_one(&end, [id.into(), Failure::cancelled().to_string().into(), now.into()]).await? > 0 {
            self.tally.count(TaskStatus::Cancelled);
            // Where it waits for its time, who asked for an answer need not.
            self.hasten(id).await?;
            return Ok(Cancelled::AtOnce);
        }
        Ok(match self.status_of(id).await? {
            None => Cancelled::Unknown,
            Some(status) if status.is_final() => Cancelled::Over(status),
            Some(_) => Cancelled::Noted,
        })
    }

    /// The tasks of which it was noted within this time that they are to be cancelled.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn cancelled_within(&self, time: Duration) -> Result<HashSet<Uuid>, QueryError> {
        let sql = "SELECT id_task FROM task_cancel WHERE requested_at > $1";
        let since = self.clock().now() - time;
        let statement = Statement::from_sql_and_values(self.backend.sea_orm(), sql, [since.into()]);
        let rows = self.reader.query_all_raw(statement).await?;
        Ok(rows.iter().map(|row| row.try_get("", "id_task")).collect::<Result<_, _>>()?)
    }

    /// Takes the note back: the task is to be executed after all.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn take_back_cancel(&self, id: Uuid) -> Result<(), QueryError> {
        self.change_one("DELETE FROM task_cancel WHERE id_task = $1", [id.into()]).await.map(drop)
    }

    /// Forgets the notes that no message can be waiting for any more.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn forget_old_cancels(&self) -> Result<(), QueryError> {
        let old = self.clock().now() - KEPT;
        self.change_one("DELETE FROM task_cancel WHERE requested_at < $1", [old.into()]).await.map(drop)
    }

    async fn status_of(&self, id: Uuid) -> Result<Option<TaskStatus>, QueryError> {
        Ok(self.states_of(&[id]).await?.remove(&id).map(|known| known.status))
    }

    async fn change_one<const N: usize>(&self, sql: &str, values: [sea_orm::Value; N]) -> Result<u64, QueryError> {
        let statement = Statement::from_sql_and_values(self.backend.sea_orm(), sql, values);
        Ok(self.single_writes().execute_raw(statement).await?.rows_affected())
    }
}
