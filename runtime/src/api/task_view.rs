//! A task as `/v1` tells it: from its row, from a line of a list.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::TaskStatus;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use super::attempts::AttemptView;
use crate::{
    lifecycle::{Database, QueryError, TaskRow, TaskSummary},
    next::{Course, Known, Next},
};

/// A task, as its row has it. In a list without payload and result.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskView {
    id_task: Uuid,
    /// PENDING, RUNNING, COMPLETED, FAILED or CANCELLED.
    #[schema(value_type = String, example = "COMPLETED")]
    status: TaskStatus,
    task_name: Option<String>,
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    /// What the component returned; only of a COMPLETED task.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    /// Why the last attempt failed.
    error: Option<String>,
    /// The last attempt, counted from 0.
    attempt: i64,
    producer_app: Option<String>,
    correlation_id: Option<String>,
    message_id: Option<String>,
    routing_key: Option<String>,
    component_digest: Option<String>,
    runtime_id: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    /// When it is to be executed, if it waits for that; not in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<DateTime<Utc>>,
    /// What happens to it next; not in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<NextView>,
    /// What is known of its attempts, oldest first; not in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<AttemptView>>,
}

/// What happens to a task next.
#[derive(Debug, Serialize, ToSchema)]
struct NextView {
    /// A sentence for people.
    #[schema(example = "attempt 1, when its message comes back from its retry queue")]
    what: String,
    /// When, or until when, about; none if nothing tells that.
    at: Option<DateTime<Utc>>,
}

impl TaskView {
    /// With its attempts, the time that it waits for, and what happens next by these settings.
    ///
    /// # Errors
    /// If the database can't be asked.
    pub(crate) async fn whole(row: TaskRow, database: &Database, course: Course) -> Result<Self, QueryError> {
        let attempts = database.attempts_of(row.id).await?;
        let due_at = match row.status {
            TaskStatus::Pending => database.due_at(row.id).await?,
            TaskStatus::Running | TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => None,
        };
        let state = match row.status.is_final() {
            false => database.states_of(&[row.id]).await?.remove(&row.id),
            true => None,
        };
        let next = Next::of(
            &Known {
                status: row.status,
                attempt: row.attempt,
                error: row.error.as_deref(),
                due_at,
                started_at: row.started_at,
                attempts: &attempts,
                to_be_cancelled: state.as_ref().is_some_and(|state| state.to_be_cancelled),
                runs_in: state.and_then(|state| state.runs_in),
            },
            course,
            database.clock().now(),
        );
        let what = next.told(&row.id.to_string(), row.task_name.as_deref().unwrap_or_default());
        Ok(Self {
            attempts: Some(attempts.into_iter().map(AttemptView::from).collect()),
            due_at,
            next: Some(NextView { what, at: next.at() }),
            ..Self::from(row)
        })
    }
}

impl From<TaskRow> for TaskView {
    fn from(row: TaskRow) -> Self {
        Self {
            id_task: row.id,
            status: row.status,
            task_name: row.task_name.map(text),
            payload: row.payload.and_then(raw),
            result: row.result.and_then(raw),
            error: row.error.map(text),
            attempt: row.attempt.into(),
            producer_app: row.producer_app.map(text),
            correlation_id: row.correlation_id.map(text),
            message_id: row.message_id.map(text),
            routing_key: row.routing_key.map(text),
            component_digest: row.component_digest.map(text),
            runtime_id: row.runtime_id.map(text),
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            due_at: None,
            next: None,
            attempts: None,
        }
    }
}

impl From<TaskSummary> for TaskView {
    fn from(row: TaskSummary) -> Self {
        Self {
            id_task: row.id,
            status: row.status,
            task_name: row.task_name,
            payload: None,
            result: None,
            error: row.error,
            attempt: row.attempt.into(),
            producer_app: row.producer_app,
            correlation_id: row.correlation_id,
            message_id: row.message_id,
            routing_key: row.routing_key,
            component_digest: row.component_digest,
            runtime_id: row.runtime_id,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            due_at: None,
            next: None,
            attempts: None,
        }
    }
}

/// An owned copy, as serde wants it.
pub(super) fn text(text: Arc<str>) -> String {
    text.as_ref().into()
}

/// The text of a JSON column, which the database has checked.
pub(super) fn raw(text: Arc<str>) -> Option<Box<RawValue>> {
    RawValue::from_string(text.as_ref().into()).ok()
}
