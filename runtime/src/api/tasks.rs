//! `/v1/tasks`: ask for a task, read what became of it.

use std::{fmt::Display, str::FromStr, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use entity::TaskStatus;
use event_driven::{
    message::{Start, UniqueFor},
    names::{Priority, UnknownPriority},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    page::Page,
    problem::Problem,
    task_view::TaskView,
    wait::{self, duration},
};
use crate::{
    lifecycle::{Moment, TaskFilter, TaskSummary},
    next::Course,
    service::{Service, Submission},
};

/// A request for a task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmitBody {
    /// The component that is to run.
    #[schema(example = "echo")]
    task_name: String,
    /// What it is given: any JSON.
    #[schema(value_type = Object)]
    payload: Box<RawValue>,
    /// Who asks. Default: this service's name.
    producer_app: Option<String>,
    /// Ties the task to what else happens for the same cause. Default: a new UUID.
    correlation_id: Option<String>,
    /// Makes the request idempotent: the same id of the same producer is executed to completion once. Default: a new
    /// UUID.
    message_id: Option<String>,
    /// Default: `routing.task.run.<task_name>`.
    routing_key: Option<String>,
    /// Execute it after this time, in milliseconds; up to 30 days.
    delay_ms: Option<u64>,
    /// Execute it at this time (RFC 3339), up to 30 days ahead; one that has passed is now.
    run_at: Option<DateTime<Utc>>,
    /// How much of a hurry it is in: `high`, `normal` (the default), `low`. Not beside `routing_key`.
    priority: Option<String>,
    /// For so long no other task of the same producer with the same name and payload is executed: it is CANCELLED.
    /// Milliseconds, up to 30 days.
    unique_for_ms: Option<u64>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Wait for the outcome, at most this long (`10s`).
    pub(super) wait: Option<String>,
}

/// Ask for a task. Its row is there before the answer is.
#[utoipa::path(post, path = "/v1/tasks", tag = "tasks", params(WaitQuery), request_body = SubmitBody, responses(
    (status = 200, description = "it is over already", body = TaskView),
    (status = 202, description = "accepted; Location says where to look", body = TaskView),
    (status = 422, description = "the request breaks the contract", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "broker or database do not take it now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn submit(
    State(service): State<Arc<Service>>,
    query: Result<Query<WaitQuery>, QueryRejection>,
    body: Result<Json<SubmitBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let wait = wait::parse(query?.0.wait.as_deref())?;
    let Json(body) = body?;
    let submission = Submission {
        task_name: body.task_name,
        payload: body.payload,
        producer_app: body.producer_app,
        correlation_id: body.correlation_id,
        message_id: body.message_id,
        routing_key: body.routing_key,
        start: start(body.delay_ms, body.run_at)?,
        priority: priority(body.priority)?,
        unique_for: unique_for(body.unique_for_ms)?,
    };
    let mut row = service.submit(submission).await?;
    if let (Some(wait), false) = (wait, row.status.is_final()) {
        row = service.wait_for(row.id, wait).await?.unwrap_or(row);
    }
    let status = if row.status.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let location = [(header::LOCATION, format!("/v1/tasks/{}", row.id))];
    Ok((status, location, Json(TaskView::from(row))).into_response())
}

fn start(delay_ms: Option<u64>, run_at: Option<DateTime<Utc>>) -> Result<Start, Problem> {
    let start = match (delay_ms, run_at) {
        (None, None) => Ok(Start::AtOnce),
        (Some(ms), None) => Start::after(Duration::from_millis(ms)).map_err(|error| format!("delay_ms {error}")),
        (None, Some(at)) => Start::at(at).map_err(|error| format!("run_at {error}")),
        (Some(_), Some(_)) => Err("delay_ms stands beside run_at: one of them".to_owned()),
    };
    start.map_err(Problem::unprocessable)
}

fn priority(text: Option<String>) -> Result<Priority, Problem> {
    let priority = text.as_deref().map(str::parse).transpose();
    Ok(priority
        .map_err(|error: UnknownPriority| Problem::unprocessable(format!("priority {error}")))?
        .unwrap_or_default())
}

fn unique_for(ms: Option<u64>) -> Result<Option<UniqueFor>, Problem> {
    let time = ms.map(|ms| UniqueFor::new(Duration::from_millis(ms))).transpose();
    time.map_err(|error| Problem::unprocessable(format!("unique_for_ms {error}")))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only tasks that stand there: PENDING, RUNNING, COMPLETED, FAILED, CANCELLED.
    #[param(value_type = Option<String>)]
    status: Option<TaskStatus>,
    /// Only tasks for this component.
    task_name: Option<String>,
    /// Only tasks of this producer.
    producer_app: Option<String>,
    /// Only tasks with this correlation id.
    correlation_id: Option<String>,
    /// Only tasks whose message has this id. Give `producer_app` as well: by both the task is found by its key.
    message_id: Option<String>,
    /// Only tasks whose last attempt failed with an error of this class (`timeout`); also while they wait for the next one.
    class: Option<String>,
    /// Only tasks that were first seen then or later: RFC 3339, or how long ago (`2h`).
    since: Option<String>,
    /// Only tasks that were first seen before: in the same forms.
    until: Option<String>,
    /// Only tasks that are not over and to which nothing has happened for this long (`10m`): their message may be lost.
    stuck_for: Option<String>,
    /// At most this many, up to 1,000. Default: 50.
    limit: Option<u64>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// Reads the parameter `name`.
fn parsed<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("{name}: {error}")))
}

/// One page of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskPage {
    items: Vec<TaskView>,
    /// Give it as `after` to get the next page. None: this is the last one.
    next: Option<String>,
}

/// List tasks, newest first.
#[utoipa::path(get, path = "/v1/tasks", tag = "tasks", params(ListQuery), responses(
    (status = 200, description = "one page", body = TaskPage),
    (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "too many rows would have to be looked through: it says what to add", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<TaskPage>, Problem> {
    let Query(query) = query?;
    let filter = TaskFilter {
        status: query.status,
        task_name: query.task_name,
        producer_app: query.producer_app,
        correlation_id: query.correlation_id,
        message_id: query.message_id,
        class: query.class.as_deref().map(|text| parsed("class", text)).transpose()?,
        since: query.since.as_deref().map(|text| parsed::<Moment>("since", text)).transpose()?,
        until: query.until.as_deref().map(|text| parsed::<Moment>("until", text)).transpose()?,
        stuck_for: query.stuck_for.as_deref().map(|text| duration("stuck_for", text)).transpose()?,
    };
    let page = Page::parse(query.limit, query.after.as_deref())?;
    let rows = service.parts().database.list_tasks(&filter, page.limit, page.after).await?;
    let next = page.next(&rows, TaskSummary::cursor);
    Ok(Json(TaskPage { items: rows.into_iter().map(TaskView::from).collect(), next }))
}

/// Read one task, or wait for its outcome.
#[utoipa::path(get, path = "/v1/tasks/{id}", tag = "tasks", params(("id" = Uuid, Path), WaitQuery), responses(
    (status = 200, description = "the task as it stands", body = TaskView),
    (status = 404, description = "no task has this id", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    id: Result<Path<Uuid>, PathRejection>,
    query: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Json<TaskView>, Problem> {
    let Path(id) = id?;
    let wait = wait::parse(query?.0.wait.as_deref())?.unwrap_or_default();
    let row = service.wait_for(id, wait).await?;
    let row = row.ok_or_else(|| Problem::not_found(format!("no task has the id {id}")))?;
    let parts = service.parts();
    Ok(Json(TaskView::whole(row, &parts.database, Course::of(&parts.config)).await?))
}
