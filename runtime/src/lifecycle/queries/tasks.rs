//! Reads tasks: one, a page of them, and those that a crash left unfinished.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::{TaskStatus, task_store, task_store::Column};
use sea_orm::{
    ColumnTrait, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{
    super::{Database, QueryError, TaskRow},
    Cursor,
    delayed::is_delayed,
    states::LONGEST_ATTEMPT,
};

/// Which tasks to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Those that stand so.
    pub status: Option<TaskStatus>,
    /// Those of this component.
    pub task_name: Option<String>,
    /// Those of this producer.
    pub producer_app: Option<String>,
    /// Those of this correlation id.
    pub correlation_id: Option<String>,
    /// Those that are not over and to which nothing has happened for this long: RUNNING in a runtime that is gone, or
    /// PENDING. Their message may be lost; or it still waits, in its queue or for its retry.
    pub stuck_for: Option<Duration>,
}

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
    /// See [`QueryError`].
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
        Ok(tasks.into_partial_model().all(&self.reader).await?)
    }

    /// The oldest `limit` tasks that are PENDING or RUNNING and do not wait for their time, oldest first; those younger than `after` if that is given.
    /// With everything that is needed to run them: choose `limit` by the memory that their payloads may take.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn unfinished(&self, limit: u64, after: Option<Cursor>) -> Result<Vec<TaskRow>, QueryError> {
        let mut tasks = task_store::Entity::find()
            .filter(Expr::cust("status IN ('PENDING', 'RUNNING')"))
            .filter(is_delayed().not())
            .order_by_asc(Column::CreatedAt)
            .order_by_asc(Column::IdTask)
            .limit(limit);
        if let Some(after) = after {
            let last = Expr::tuple([Expr::value(after.created_at), Expr::value(after.id)]);
            tasks = tasks.filter(place().gt(last));
        }
        Ok(tasks.all(&self.reader).await?.into_iter().map(TaskRow::from).collect())
    }

    fn filtered(&self, filter: &TaskFilter) -> Select<task_store::Entity> {
        let mut tasks = task_store::Entity::find();
        if let Some(status) = filter.status {
            tasks = tasks.filter(Column::Status.eq(status));
            if status != TaskStatus::Completed {
                // The condition of the partial index, spelled out: a parameter would not let the planner prove it.
                tasks = tasks.filter(Expr::cust("status <> 'COMPLETED'"));
            }
        }
        let texts = [
            (Column::TaskName, &filter.task_name),
            (Column::ProducerApp, &filter.producer_app),
            (Column::CorrelationId, &filter.correlation_id),
        ];
        for (column, text) in texts {
            if let Some(text) = text {
                tasks = tasks.filter(column.eq(text.as_str()));
            }
        }
        match filter.stuck_for {
            Some(time) => tasks.filter(self.is_stuck(time)).filter(is_delayed().not()),
            None => tasks,
        }
    }

    /// A row is touched when it is made, and when an attempt begins and ends.
    fn is_stuck(&self, time: Duration) -> Expr {
        let backend = self.backend;
        let touched = "coalesce((SELECT max(coalesce(a.finished_at, a.started_at)) FROM task_attempt a \
                       WHERE a.id_task = task_store.id_task), task_store.started_at, task_store.created_at)";
        let young = backend.is_younger(touched, &time.as_secs_f64().to_string());
        let alive = backend.alive("task_store.runtime_id");
        let may_run = backend.is_younger("task_store.started_at", &LONGEST_ATTEMPT.as_secs_f64().to_string());
        // Literal, so that the planner can prove the condition of the partial index.
        Expr::cust(format!(
            "task_store.status <> 'COMPLETED' AND task_store.status IN ('PENDING', 'RUNNING') \
             AND (task_store.status = 'PENDING' OR NOT ({alive} AND {may_run})) AND NOT {young}"
        ))
    }
}

/// Where a row stands in a list; the same pair as in the indexes.
fn place() -> Expr {
    Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::IdTask)])
}
