//! `/v1/tasks/{id}/…`: the attempts at a task: what is known of them, and one more.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use entity::{AttemptOutcome, attempt};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{problem::Problem, receipt::ReceiptView, task_view::TaskView};
use crate::service::Service;

/// One attempt at a task.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AttemptView {
    id_attempt: Uuid,
    /// Its number, counted from 0. What was interrupted or lost is made again under the same number.
    attempt: i32,
    /// RUNNING, COMPLETED, FAILED, INTERRUPTED (its runtime stopped) or LOST (its runtime is gone).
    #[schema(value_type = String, example = "FAILED")]
    outcome: AttemptOutcome,
    /// What kind of failure it was.
    error_class: Option<String>,
    /// What happened.
    error: Option<String>,
    runtime_id: String,
    component_digest: Option<String>,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    /// What it used; none if nothing was executed, or it was cut off.
    receipt: Option<ReceiptView>,
    /// The end of what its guest wrote to stdout and stderr, 16 KiB at most; none if it wrote nothing.
    log: Option<String>,
}

impl From<attempt::Model> for AttemptView {
    fn from(row: attempt::Model) -> Self {
        Self {
            receipt: ReceiptView::of(&row),
            id_attempt: row.id_attempt,
            attempt: row.attempt,
            outcome: row.outcome,
            error_class: row.error_class,
            error: row.error,
            runtime_id: row.runtime_id,
            component_digest: row.component_digest,
            started_at: row.started_at,
            finished_at: row.finished_at,
            log: row.log,
        }
    }
}

/// Publish the message of a task once more: for one whose message is lost, or that has failed or was cancelled.
#[utoipa::path(post, path = "/v1/tasks/{id}/retry", tag = "tasks", params(("id" = Uuid, Path)), responses(
    (status = 202, description = "the broker has the message", body = TaskView),
    (status = 404, description = "no task has this id", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "the task is COMPLETED, or runs", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "its row does not say enough to make the message again", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "broker or database do not take it now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn retry(
    State(service): State<Arc<Service>>,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<(StatusCode, Json<TaskView>), Problem> {
    let Path(id) = id?;
    let row = service.publish_again(id).await?;
    Ok((StatusCode::ACCEPTED, Json(row.into())))
}
