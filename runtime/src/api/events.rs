//! `/v1/events`: publish an event, read those that were stored.

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
use uuid::Uuid;

use super::{
    page::Page,
    problem::Problem,
    task_view::{raw, text},
};
use crate::{
    lifecycle::{EventFilter, EventRow, EventSummary, RoutingKeyFilter},
    service::{NewEvent, Service},
};

/// An event, as its row has it. In a list without headers and payload.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    id_event_store: Uuid,
    routing_key: String,
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Box<RawValue>>,
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    producer_app: Option<String>,
    correlation_id: Option<String>,
    message_id: Option<String>,
    created_at: DateTime<Utc>,
}

impl From<EventRow> for EventView {
    fn from(row: EventRow) -> Self {
        Self {
            id_event_store: row.id,
            routing_key: text(row.routing_key),
            headers: row.headers.and_then(raw),
            payload: row.payload.and_then(raw),
            producer_app: row.producer_app.map(text),
            correlation_id: row.correlation_id.map(text),
            message_id: row.message_id.map(text),
            created_at: row.created_at,
        }
    }
}

impl From<EventSummary> for EventView {
    fn from(row: EventSummary) -> Self {
        Self {
            id_event_store: row.id,
            routing_key: row.routing_key,
            headers: None,
            payload: None,
            producer_app: row.producer_app,
            correlation_id: row.correlation_id,
            message_id: row.message_id,
            created_at: row.created_at,
        }
    }
}

/// An event to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishBody {
    /// `routing.event.<create|update|delete|read|notify>.<entity>`
    #[schema(example = "routing.event.create.user")]
    routing_key: String,
    /// What happened: a JSON object.
    #[schema(value_type = Object)]
    payload: Box<RawValue>,
    /// Who publishes. Default: this service's name.
    producer_app: Option<String>,
    /// Ties the event to what else happens for the same cause. Default: a new UUID.
    correlation_id: Option<String>,
    /// The same id of the same producer is stored once. Default: a new UUID.
    message_id: Option<String>,
}

/// What a publisher is told: the id under which the event is stored as soon as it comes by.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Published {
    id_event_store: Uuid,
}

/// Publish an event. The broker has it before the answer is given; it is stored a moment later.
#[utoipa::path(post, path = "/v1/events", tag = "events", request_body = PublishBody, responses(
    (status = 202, description = "published; Location says where it will be stored", body = Published),
    (status = 422, description = "the request breaks the contract", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "the broker does not take it now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn publish(
    State(service): State<Arc<Service>>,
    body: Result<Json<PublishBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body?;
    let event = NewEvent {
        routing_key: body.routing_key,
        payload: body.payload,
        producer_app: body.producer_app,
        correlation_id: body.correlation_id,
        message_id: body.message_id,
    };
    let id = service.publish_event(event).await?;
    let location = [(header::LOCATION, format!("/v1/events/{id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(Published { id_event_store: id })).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only events with this routing key.
    routing_key: Option<String>,
    /// Only events of this producer.
    producer_app: Option<String>,
    /// Only events with this correlation id.
    correlation_id: Option<String>,
    /// At most this many, up to 1,000. Default: 50.
    limit: Option<u64>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// One page of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventPage {
    items: Vec<EventView>,
    /// Give it as `after` to get the next page. None: this is the last one.
    next: Option<String>,
}

/// List stored events, newest first.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(ListQuery), responses(
    (status = 200, description = "one page", body = EventPage),
    (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<EventPage>, Problem> {
    let Query(query) = query?;
    let filter = EventFilter {
        routing_key: query.routing_key.map(RoutingKeyFilter::Exact),
        producer_app: query.producer_app,
        correlation_id: query.correlation_id,
    };
    let page = Page::parse(query.limit, query.after.as_deref())?;
    let rows = service.parts().database.list_events(&filter, page.limit, page.after).await?;
    let next = page.next(&rows, EventSummary::cursor);
    Ok(Json(EventPage { items: rows.into_iter().map(EventView::from).collect(), next }))
}

/// Read one event.
#[utoipa::path(get, path = "/v1/events/{id}", tag = "events", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "the event", body = EventView),
    (status = 404, description = "no event with this id is stored", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<EventView>, Problem> {
    let Path(id) = id?;
    let row = service.parts().database.find_event(id).await?;
    row.map(|row| Json(row.into())).ok_or_else(|| Problem::not_found(format!("no event with the id {id} is stored")))
}
