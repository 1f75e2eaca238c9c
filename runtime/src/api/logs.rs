//! `/v1/tasks/{id}/logs`: what the guests of a task wrote to stdout and stderr.

use std::sync::Arc;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
};
use chrono::{DateTime, Utc};
use entity::{AttemptOutcome, TaskStatus, attempt};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::problem::Problem;
use crate::{
    lifecycle::{Database, QueryError},
    service::Service,
};

/// What the guests of a task have written.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogsView {
    id_task: Uuid,
    /// PENDING, RUNNING, COMPLETED, FAILED or CANCELLED: of one that is not over, more may come.
    #[schema(value_type = String, example = "COMPLETED")]
    status: TaskStatus,
    /// Oldest first.
    attempts: Vec<AttemptLogView>,
}

/// What the guest of one attempt has written.
#[derive(Debug, Serialize, ToSchema)]
struct AttemptLogView {
    id_attempt: Uuid,
    /// Its number, counted from 0.
    attempt: i32,
    /// RUNNING, COMPLETED, FAILED, INTERRUPTED or LOST.
    #[schema(value_type = String, example = "FAILED")]
    outcome: AttemptOutcome,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    /// How much was written, in bytes. More than `log` has: only the end was kept.
    log_bytes: i64,
    /// The end of that, as text.
    log: String,
}

impl LogsView {
    /// Reads what is stored; none if there is no such task.
    pub(crate) async fn read(db: &Database, id: Uuid, attempt: Option<u32>) -> Result<Option<Self>, QueryError> {
        // The status first: of a task that is over then, what follows is all there is.
        let Some(known) = db.states_of(&[id]).await?.remove(&id) else { return Ok(None) };
        let rows = db.attempts_of(id).await?.into_iter();
        let asked = rows.filter(|row| attempt.is_none_or(|number| i64::from(row.attempt) == i64::from(number)));
        Ok(Some(Self { id_task: id, status: known.status, attempts: asked.map(AttemptLogView::from).collect() }))
    }
}

impl From<attempt::Model> for AttemptLogView {
    fn from(row: attempt::Model) -> Self {
        Self {
            id_attempt: row.id_attempt,
            attempt: row.attempt,
            outcome: row.outcome,
            started_at: row.started_at,
            finished_at: row.finished_at,
            log_bytes: row.log_bytes.unwrap_or_default(),
            log: row.log.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogsQuery {
    /// Only the attempt with this number, counted from 0.
    attempt: Option<u32>,
}

/// Read what the guests of a task wrote to stdout and stderr.
#[utoipa::path(get, path = "/v1/tasks/{id}/logs", tag = "tasks", params(("id" = Uuid, Path), LogsQuery), responses(
    (status = 200, description = "what is kept of it, attempt by attempt", body = LogsView),
    (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "no task has this id", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn logs(
    State(service): State<Arc<Service>>,
    id: Result<Path<Uuid>, PathRejection>,
    query: Result<Query<LogsQuery>, QueryRejection>,
) -> Result<Json<LogsView>, Problem> {
    let Path(id) = id?;
    let logs = LogsView::read(&service.parts().database, id, query?.0.attempt).await?;
    logs.map(Json).ok_or_else(|| Problem::not_found(format!("no task has the id {id}")))
}
