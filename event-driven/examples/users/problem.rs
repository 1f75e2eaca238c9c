//! What a client is told that did not get what it asked for: problem details of RFC 9457, as the library answers too.

use std::fmt::Display;

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use event_driven::{outbox::OutboxError, publisher::PublishError};
use sea_orm::{DbErr, SqlErr};
use serde_json::json;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub fn invalid(detail: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub fn no_user(user_id: i64) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no user {user_id}"))
    }

    /// What the client can't help is told to the log; the client gets no more than it needs.
    fn internal(error: &impl Display) -> Self {
        tracing::error!("a request was not served: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "something is wrong here; the log of the service says what")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, detail } = self;
        let title = status.canonical_reason();
        let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
        (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(body)).into_response()
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<DbErr> for Problem {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            // The only column beside the key that is unique.
            Some(SqlErr::UniqueConstraintViolation(_)) => {
                Self::new(StatusCode::CONFLICT, "there is a user with this email")
            }
            _ => Self::internal(&error),
        }
    }
}

/// The transaction is rolled back, so neither the change nor its event has happened.
impl From<OutboxError> for Problem {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Database(error) => Self::from(error),
            // It can't be a message, and will not be one the next time.
            OutboxError::Event(error) => Self::internal(&error),
        }
    }
}

/// Of `#[on_notify]`: the change is made all the same.
impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        tracing::error!("a change was made, but nobody was told: {error}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the change was made, but others could not be told of it")
    }
}
