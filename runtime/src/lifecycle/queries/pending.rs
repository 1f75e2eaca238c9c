//! Puts a task on record before anyone says that it was accepted, or before its message is made once more.

use chrono::{DateTime, Utc};
use entity::{TaskStatus, task_store, task_store::Column};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use super::super::{Database, QueryError, TaskRow, columns::number, database::Backend, postgres, sqlite};

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

    /// Lets a task wait for its next attempt, as if the last one had failed with the error of `waiting`. False, and nothing is
    /// changed, if its row is no longer as in `before`.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn let_wait_for_retry(&self, before: &TaskRow, waiting: &TaskRow) -> Result<bool, QueryError> {
        let same = |column: Column, value: Option<sea_orm::Value>| match value {
            Some(value) => column.eq(value),
            None => column.is_null(),
        };
        let change = task_store::Entity::update_many()
            .col_expr(Column::Status, Expr::value(waiting.status))
            .col_expr(Column::Error, Expr::value(waiting.error.as_deref()))
            .col_expr(Column::FinishedAt, Expr::value(Option::<DateTime<Utc>>::None))
            .filter(Column::IdTask.eq(before.id))
            .filter(Column::Status.eq(before.status))
            .filter(Column::Attempt.eq(number(before.attempt)))
            .filter(same(Column::RuntimeId, before.runtime_id.as_deref().map(Into::into)))
            .filter(same(Column::StartedAt, before.started_at.map(Into::into)));
        let is_changed = change.exec(self.single_writes()).await?.rows_affected > 0;
        if is_changed {
            self.take_back_cancel(before.id).await?;
        }
        Ok(is_changed)
    }

    /// Lets a task that has failed or was cancelled begin anew; nothing is changed if it is COMPLETED, or not over.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn reopen(&self, id: Uuid) -> Result<(), QueryError> {
        self.take_back_cancel(id).await?;
        let change = task_store::Entity::update_many()
            .col_expr(Column::Status, Expr::value(TaskStatus::Pending))
            .col_expr(Column::Error, Expr::value(Option::<String>::None))
            .col_expr(Column::Attempt, Expr::value(0))
            .col_expr(Column::FinishedAt, Expr::value(Option::<DateTime<Utc>>::None))
            .filter(Column::IdTask.eq(id))
            .filter(Column::Status.is_in([TaskStatus::Failed, TaskStatus::Cancelled]));
        change.exec(self.single_writes()).await?;
        Ok(())
    }
}
