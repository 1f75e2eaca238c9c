//! What HTTP says while the service is not there yet: that the process is alive, and what its start waits for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{Problem, health, health::Readiness};

/// How far the start is, for those who ask. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Starting {
    parts: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl Starting {
    /// Says how a part of the start stands: `ok`, or what it waits for.
    pub fn report(&self, part: &'static str, state: impl Into<String>) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(part, state.into());
    }

    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(health::alive))
            .route("/readyz", get(not_ready))
            .fallback(|| async { Problem::unavailable("warren is starting; /readyz says what it waits for") })
            .with_state(self)
    }
}

async fn not_ready(State(starting): State<Starting>) -> Response {
    let mut parts = starting.parts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    parts.insert("service", "starting".to_owned());
    (StatusCode::SERVICE_UNAVAILABLE, Json(Readiness { ready: false, parts })).into_response()
}
