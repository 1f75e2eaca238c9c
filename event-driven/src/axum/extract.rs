//! A handler takes the publisher as an argument.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};

use super::problem::problem;
use crate::publisher::Publisher;

/// No [`SendEventLayer`](super::SendEventLayer) stands around the handler. Answers with 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this handler takes a Publisher, but its router has none: add .layer(SendEventLayer::new(publisher)) to the router, \
     after the handler's route"
)]
pub struct NoPublisher;

impl IntoResponse for NoPublisher {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        problem(StatusCode::INTERNAL_SERVER_ERROR, &self.to_string())
    }
}

/// The publisher of the [`SendEventLayer`](super::SendEventLayer).
impl<S: Sync> FromRequestParts<S> for Publisher {
    type Rejection = NoPublisher;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoPublisher> {
        parts.extensions.get().cloned().ok_or(NoPublisher)
    }
}
