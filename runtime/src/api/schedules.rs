//! `/v1/schedules`: tasks that are asked for again and again.

use std::sync::Arc;

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
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{page::Page, problem::Problem};
use crate::{
    lifecycle::{Added, ScheduleRow, ScheduleSummary},
    schedule::{Draft, Schedule},
    service::Service,
};

/// A schedule, as its row has it. In a list without payload.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleView {
    name: String,
    /// Five fields, or six with the second first.
    #[schema(example = "0 3 * * *")]
    cron: String,
    /// Whose clock the line means: a name of the IANA database.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// The component that each tick asks for.
    task_name: String,
    /// What each tick's task is given.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    /// When it was added, or replaced another one.
    created_at: DateTime<Utc>,
    /// The time of its last tick.
    last_at: Option<DateTime<Utc>>,
    /// The time of its next tick.
    next_at: DateTime<Utc>,
}

impl From<ScheduleRow> for ScheduleView {
    fn from(row: ScheduleRow) -> Self {
        Self {
            name: row.name,
            cron: row.cron,
            time_zone: row.time_zone,
            task_name: row.task_name,
            payload: RawValue::from_string(row.payload).ok(),
            created_at: row.created_at,
            last_at: row.last_at,
            next_at: row.next_at,
        }
    }
}

impl From<ScheduleSummary> for ScheduleView {
    fn from(row: ScheduleSummary) -> Self {
        Self {
            name: row.name,
            cron: row.cron,
            time_zone: row.time_zone,
            task_name: row.task_name,
            payload: None,
            created_at: row.created_at,
            last_at: row.last_at,
            next_at: row.next_at,
        }
    }
}

/// What a schedule is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleBody {
    /// Five fields (minute hour day month weekday), or six with the second first.
    #[schema(example = "0 3 * * *")]
    cron: String,
    /// Whose clock the line means: a name of the IANA database. Default: UTC.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// The component that each tick asks for; it need not be there yet.
    #[schema(example = "echo")]
    task_name: String,
    /// What each tick's task is given: any JSON. Default: null.
    #[schema(value_type = Object)]
    payload: Option<Box<RawValue>>,
}

/// Add a schedule.
#[utoipa::path(post, path = "/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path)),
    request_body = ScheduleBody, responses(
    (status = 200, description = "it was there before, just so", body = ScheduleView),
    (status = 201, description = "it is kept", body = ScheduleView),
    (status = 409, description = "there is another one of this name; PUT replaces it", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "there can't be such a schedule", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "the database does not take it now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn add(
    State(service): State<Arc<Service>>,
    name: Result<Path<String>, PathRejection>,
    body: Result<Json<ScheduleBody>, JsonRejection>,
) -> Result<Response, Problem> {
    keep(&service, name, body, false).await
}

/// Add a schedule, or replace the one of its name.
#[utoipa::path(put, path = "/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path)),
    request_body = ScheduleBody, responses(
    (status = 200, description = "it has replaced another one, or was there before, just so", body = ScheduleView),
    (status = 201, description = "it is kept", body = ScheduleView),
    (status = 422, description = "there can't be such a schedule", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "the database does not take it now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn replace(
    State(service): State<Arc<Service>>,
    name: Result<Path<String>, PathRejection>,
    body: Result<Json<ScheduleBody>, JsonRejection>,
) -> Result<Response, Problem> {
    keep(&service, name, body, true).await
}

async fn keep(
    service: &Service,
    name: Result<Path<String>, PathRejection>,
    body: Result<Json<ScheduleBody>, JsonRejection>,
    replace: bool,
) -> Result<Response, Problem> {
    let (name, Json(body)) = (text(name)?, body?);
    let draft = Draft {
        name: &name,
        cron: &body.cron,
        time_zone: body.time_zone.as_deref(),
        task_name: &body.task_name,
        payload: body.payload.as_deref().map_or("null", RawValue::get),
    };
    let schedule = Schedule::new(draft, service.parts().config.broker.max_body);
    let schedule = schedule.map_err(|error| Problem::unprocessable(error.to_string()))?;
    let status = match service.add_schedule(&schedule, replace).await? {
        Added::New => StatusCode::CREATED,
        Added::Same | Added::Replaced => StatusCode::OK,
        Added::Other => {
            return Err(Problem::conflict(format!(
                "there is another schedule {name}: PUT (`warren schedule add --replace`) takes its place"
            )));
        }
    };
    let location = [(header::LOCATION, format!("/v1/schedules/{name}"))];
    Ok((status, location, Json(find(service, &name).await?)).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// At most this many, up to 1,000. Default: 50.
    limit: Option<u64>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// One page of a list, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SchedulePage {
    items: Vec<ScheduleView>,
    /// Give it as `after` to get the next page. None: this is the last one.
    next: Option<String>,
}

/// List schedules, by name.
#[utoipa::path(get, path = "/v1/schedules", tag = "schedules", params(ListQuery), responses(
    (status = 200, description = "one page", body = SchedulePage),
    (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<SchedulePage>, Problem> {
    let Query(query) = query?;
    let limit = Page::parse(query.limit, None)?.limit;
    let rows = service.parts().database.list_schedules(limit, query.after.as_deref()).await?;
    let next = rows.last().filter(|_| rows.len() as u64 == limit).map(|row| row.name.clone());
    Ok(Json(SchedulePage { items: rows.into_iter().map(ScheduleView::from).collect(), next }))
}

/// Read one schedule.
#[utoipa::path(get, path = "/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path)), responses(
    (status = 200, description = "the schedule as it stands", body = ScheduleView),
    (status = 404, description = "there is no such schedule", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<ScheduleView>, Problem> {
    Ok(Json(find(&service, &text(name)?).await?))
}

/// Remove a schedule. The tasks of ticks that have come stay.
#[utoipa::path(delete, path = "/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path)), responses(
    (status = 204, description = "it has no tick any more"),
    (status = 404, description = "there is no such schedule", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "the database does not take it now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn remove(
    State(service): State<Arc<Service>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let name = text(name)?;
    match service.parts().database.remove_schedule(&name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(unknown(&name)),
    }
}

/// A name that is no schedule's finds none.
fn text(name: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    name.map(|Path(name)| name).map_err(|rejection| Problem::bad_request(rejection.body_text()))
}

async fn find(service: &Service, name: &str) -> Result<ScheduleView, Problem> {
    let row = service.parts().database.find_schedule(name).await?;
    row.map(ScheduleView::from).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("there is no schedule {name}"))
}
