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
    attempts::AttemptView,
    page::Page,
    problem::Problem,
    wait::{self, duration},
};
use crate::{
    lifecycle::{Database, Moment, QueryError, TaskFilter, TaskRow, TaskSummary},
    next::{Course, Known, Next},
    service::{Service, Submission},
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
    (status = 422, description = "too many rows would have to be looked through: ask for a shorter time", body = Problem, content_type = "application/problem+json"),
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
