//! Puts a task on record before anyone says that it was accepted.

use super::super::{Database, QueryError, TaskRow, database::Backend, postgres, sqlite};

/// What became of a row that was to be new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It is stored and committed.
    New,
    /// The task was there before; nothing was changed. This is how it stands.
    Existing(Box<TaskRow>),
}

impl Database {
    /// Commits the row of a task that is not known yet. A task whose id is known is left as it is.
    ///
    /// # Errors
    /// See [`QueryError`]; what is refused is the row's own data.
    pub async fn insert_pending(&self, task: TaskRow) -> Result<Inserted, QueryError> {
        let task = task.clean();
        loop {
            let inserted = match self.backend {
                Backend::Postgres => postgres::insert_tasks(self.single_writes(), &[&task]).await?,
                Backend::Sqlite => sqlite::insert_tasks(self.single_writes(), &[&task]).await?,
            };
            if inserted > 0 {
                return Ok(Inserted::New);
            }
            // Someone may delete old rows just now: then it is new after all.
            if let Some(existing) = self.find_task(task.id).await? {
                return Ok(Inserted::Existing(Box::new(existing)));
            }
        }
    }
}
