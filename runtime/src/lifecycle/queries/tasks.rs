//! Reads tasks: one, a page of them, and those that a crash left unfinished.

use chrono::{DateTime, Utc};
use entity::{TaskStatus, task_store, task_store::Column};
use sea_orm::{
    DerivePartialModel, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{
    super::{Database, QueryError, TaskRow},
    Cursor, TaskFilter,
    delayed::is_delayed,
};

/// A task without its payload and result; the fields are those of [`TaskRow`].
#[derive(Debug, Clone, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "task_store::Entity")]
#[allow(missing_docs)]
pub struct TaskSummary {
    #[sea_orm(from_col = "id_task")]
    pub id: Uuid,
    pub correlation_id: Option<String>,
    pub producer_app: Option<String>,
    pub created_at: DateTime<Utc>,
    pub task_name: Option<String>,
    pub status: TaskStatus,
    pub error: Option<String>,
    pub message_id: Option<String>,
    pub routing_key: Option<String>,
    pub attempt: i32,
    pub component_digest: Option<String>,
    pub runtime_id: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl TaskSummary {
    /// Where the page goes on if this is its last row.
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id }
    }
}

impl Database {
    /// The task `id` with everything that is stored of it.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn find_task(&self, id: Uuid) -> Result<Option<TaskRow>, QueryError> {
        let found = task_store::Entity::find_by_id(id).one(&self.reader).await?;
        Ok(found.map(TaskRow::from))
    }

    /// The newest `limit` tasks that `filter` lets through, newest first; those older than `after` if that is given.
    ///
    /// # Errors
    /// See [`QueryError`]. A question for which no index is narrow enough is given up after 5 s.
    pub async fn list_tasks(
        &self,
        filter: &TaskFilter,
        limit: u64,
        after: Option<Cursor>,
    ) -> Result<Vec<TaskSummary>, QueryError> {
        let mut tasks =
            self.filtered(filter).order_by_desc(Column::CreatedAt).order_by_desc(Column::IdTask).limit(limit);
        if let Some(after) = after {
            let last = Expr::tuple([Expr::value(after.created_at), Expr::value(after.id)]);
            tasks = tasks.filter(place().lt(last));
        }
        self.read_bounded(tasks.into_partial_model(), filter.advice()).await
    }

    /// The oldest `limit` tasks that are PENDING or RUNNING and do not wait for their time, oldest first; those younger than `after` if that is given.
    /// With everything that is needed to run them: choose `limit` by the memory that their payloads may take.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn unfinished(&self, limit: u64, after: Option<Cursor>) -> Result<Vec<TaskRow>, QueryError> {
        let mut tasks = unfinished().order_by_asc(Column::CreatedAt).order_by_asc(Column::IdTask).limit(limit);
        if let Some(after) = after {
            let last = Expr::tuple([Expr::value(after.created_at), Expr::value(after.id)]);
            tasks = tasks.filter(place().gt(last));
        }
        Ok(tasks.all(&self.reader).await?.into_iter().map(TaskRow::from).collect())
    }

    /// Where the youngest of these stands.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn last_unfinished(&self) -> Result<Option<Cursor>, QueryError> {
        let youngest = unfinished()
            .select_only()
            .columns([Column::CreatedAt, Column::IdTask])
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::IdTask);
        let place = youngest.into_tuple().one(&self.reader).await?;
        Ok(place.map(|(created_at, id)| Cursor { created_at, id }))
    }
}

/// Tasks that are PENDING or RUNNING and do not wait for their time.
fn unfinished() -> Select<task_store::Entity> {
    task_store::Entity::find().filter(Expr::cust("status IN ('PENDING', 'RUNNING')")).filter(is_delayed().not())
}

/// Where a row stands in a list; the same pair as in the indexes.
fn place() -> Expr {
    Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::IdTask)])
}
