//! `/v1/tasks/{id}/cancel`: ends a task that waits or runs.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::StatusCode,
};
use uuid::Uuid;

use super::{problem::Problem, task_view::TaskView, tasks::WaitQuery, wait};
use crate::{lifecycle::Cancelled, service::Service};

/// Cancel a task that waits, or runs in whichever runtime.
#[utoipa::path(post, path = "/v1/tasks/{id}/cancel", tag = "tasks", params(("id" = Uuid, Path), WaitQuery), responses(
    (status = 200, description = "it is CANCELLED, or came to another end while it was waited for", body = TaskView),
    (status = 202, description = "it is noted: the runtime that is at it ends it, or its message is not executed when it comes", body = TaskView),
    (status = 404, description = "no task has this id; one whose message was not delivered yet has none", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "the task was over before", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "the database does not take it now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn cancel(
    State(service): State<Arc<Service>>,
    id: Result<Path<Uuid>, PathRejection>,
    query: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<(StatusCode, Json<TaskView>), Problem> {
    let Path(id) = id?;
    let wait = wait::parse(query?.0.wait.as_deref())?.unwrap_or_default();
    let unknown = || Problem::not_found(format!("no task has the id {id}"));
    match service.cancel(id).await? {
        Cancelled::AtOnce | Cancelled::Noted => {}
        Cancelled::Over(status) => return Err(Problem::conflict(format!("task {id} is {status}: it was over before"))),
        Cancelled::Unknown => return Err(unknown()),
    }
    let row = service.wait_for(id, wait).await?.ok_or_else(unknown)?;
    let status = if row.status.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(row.into())))
}
