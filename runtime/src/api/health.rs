//! `/healthz`: the process is there. `/readyz`: it can do its work.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::service::Service;

/// The state of what the service needs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    pub(super) ready: bool,
    /// For each part: `ok`, or what is wrong with it.
    pub(super) parts: BTreeMap<&'static str, String>,
}

/// The process is alive. Restarting it helps if this does not answer.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "alive")))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// The service reaches its broker and its database, and is not about to stop. What is wrong with the store of components is
/// told too, but does not make it less ready: it goes on with the components that it has.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "ready", body = Readiness),
    (status = 503, description = "something is missing; what", body = Readiness),
))]
pub(super) async fn ready(State(service): State<Arc<Service>>) -> (StatusCode, Json<Readiness>) {
    let parts: BTreeMap<_, _> = service.readiness().into_iter().collect();
    let ready = parts.iter().all(|(part, state)| *part == "components" || state == "ok");
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, parts }))
}
