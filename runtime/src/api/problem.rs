//! Errors as RFC 9457 problem details.

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    components::StoreError,
    dead_letters::DeadLettersError,
    lifecycle::QueryError,
    service::{AgainError, SubmitError},
};

/// Why a request was refused, as `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status and the detail say it all.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request, and what to do.
    detail: String,
    /// After how many seconds the same may be asked again; told in a header.
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self { kind: "about:blank", title, status: status.as_u16(), detail: detail.into(), retry_after: None }
    }

    /// 400: the request can't be understood.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: who asks has no token that is good. Always the same, whatever is wrong with it.
    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "this takes a token that is known and has not expired: Authorization: Bearer TOKEN (`warren token new` makes one)",
        )
    }

    /// 403: who asks may not do this.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404: there is no such thing.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 405: the path is known, the method is not.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this path does not take this method; /openapi.json lists what it takes",
        )
    }

    /// 408: who asks has stopped sending.
    pub(super) fn timeout(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, detail)
    }

    /// 409: what is asked for does not go with how things stand.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 413: what is sent is too large.
    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    /// 422: the request is understood, and breaks a rule.
    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 503: a server that this one needs does not do what it should; the same request may succeed later.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// 503: somebody else is at it; the same request may succeed after so many seconds.
    pub(super) fn busy(detail: impl Into<String>, retry_after: u64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::unavailable(detail) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            // Source: RFC 6750, section 3.
            let how = HeaderValue::from_static("Bearer realm=\"warren\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        }
        response
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::not_found("an id is a UUID")
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Unavailable(_) => Self::unavailable(error.to_string()),
            QueryError::Refused(_) | QueryError::TooWide { .. } => Self::unprocessable(error.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let status = match error {
            StoreError::Directory { .. }
            | StoreError::Store { .. }
            | StoreError::Slow { .. }
            | StoreError::Replaced { .. }
            | StoreError::Contended { .. } => StatusCode::SERVICE_UNAVAILABLE,
            StoreError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            StoreError::NoManifest { .. }
            | StoreError::NoSignature { .. }
            | StoreError::NotSigned { .. }
            | StoreError::IndexTooLarge { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            StoreError::Missing { .. } | StoreError::NoSuchVersion { .. } => StatusCode::NOT_FOUND,
            StoreError::Twin { .. }
            | StoreError::Loose { .. }
            | StoreError::NoBlob { .. }
            | StoreError::OtherManifest { .. } => StatusCode::CONFLICT,
            StoreError::Unsupported { .. }
            | StoreError::WrongDigest { .. }
            | StoreError::Garbage { .. }
            | StoreError::NoConditionalPut { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<DeadLettersError> for Problem {
    fn from(error: DeadLettersError) -> Self {
        match error {
            DeadLettersError::NoDeadLetters(_) | DeadLettersError::NoQueue(_) => Self::unprocessable(error.to_string()),
            DeadLettersError::Connect(_) | DeadLettersError::Publish(_) | DeadLettersError::Broker { .. } => {
                Self::unavailable(error.to_string())
            }
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Database(error) => error.into(),
            SubmitError::Unrecorded(_) => Self::unavailable(error.to_string()),
            SubmitError::Broker(ref reason) if reason.may_pass() => Self::unavailable(error.to_string()),
            SubmitError::Malformed(_) | SubmitError::Broker(_) => Self::unprocessable(error.to_string()),
        }
    }
}

impl From<AgainError> for Problem {
    fn from(error: AgainError) -> Self {
        match error {
            AgainError::Database(error) => error.into(),
            AgainError::Unknown(_) => Self::not_found(error.to_string()),
            AgainError::Completed(_) | AgainError::Runs { .. } | AgainError::Changed(_) => {
                Self::conflict(error.to_string())
            }
            AgainError::Broker(ref reason) if reason.may_pass() => Self::unavailable(error.to_string()),
            AgainError::Incomplete(_) | AgainError::Broker(_) => Self::unprocessable(error.to_string()),
        }
    }
}
