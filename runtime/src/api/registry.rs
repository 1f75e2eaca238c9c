//! `/v1/components` and `/v1/components/{name}`: which components and versions there are; going back, taking away.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{FromRequest, Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
};
use chrono::{DateTime, Utc};
use event_driven::names::TaskName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Doors, problem::Problem};
use crate::{
    components::{Listed, Removed, Signers, StoreError, Version, VersionRecord},
    service::Service,
};

/// A component, as this runtime knows it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ComponentView {
    name: String,
    /// The number of its current version; none if it was put into the store by hand.
    version: Option<u32>,
    /// None as long as that is not known.
    digest: Option<String>,
    size_bytes: u64,
    modified_at: DateTime<Utc>,
    /// Why it can't be executed; none if it can, as far as is known. One that is not signed as it has to be does not take the
    /// place of the version in use.
    problem: Option<String>,
}

impl From<Listed> for ComponentView {
    fn from(listed: Listed) -> Self {
        let (digest, problem) = match listed.state {
            Ok(digest) => (digest, None),
            Err(reason) => (None, Some(reason.as_ref().to_owned())),
        };
        let digest = digest.as_ref().or(listed.stored.digest()).map(ToString::to_string);
        Self {
            name: listed.stored.name.to_string(),
            version: listed.stored.version().map(|record| record.number.get()),
            digest,
            size_bytes: listed.stored.size,
            modified_at: listed.stored.modified,
            problem,
        }
    }
}

/// All components.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ComponentList {
    /// By name.
    items: Vec<ComponentView>,
}

/// The versions of a component.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionsView {
    name: String,
    /// The one that tasks are executed with. None: the component was removed.
    current: Option<u32>,
    /// The oldest first.
    versions: Vec<VersionView>,
}

/// One version. It never changes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionView {
    version: u32,
    digest: String,
    size_bytes: u64,
    uploaded_at: DateTime<Utc>,
    /// Who pushed it: over HTTP the name of a token, else what they said.
    by: String,
    /// What it imports, by full name.
    imports: Vec<String>,
    /// The text of its manifest, if it has one.
    manifest: Option<String>,
    /// The signature that it was pushed with, in base64, if any; whether it is good says `signed_by`.
    signature: Option<String>,
    /// The key of `components.require_signatures` that has signed it. None, too, where no keys are configured.
    signed_by: Option<String>,
}

impl VersionView {
    fn new(record: VersionRecord, name: &TaskName, signers: &Signers) -> Self {
        let signed_by = signers.signer(&record.statement(name), record.signature.as_ref());
        Self {
            signed_by: signed_by.map(ToString::to_string),
            signature: record.signature.as_ref().map(ToString::to_string),
            version: record.number.get(),
            digest: record.digest.to_string(),
            size_bytes: record.size_bytes,
            uploaded_at: record.uploaded_at,
            by: record.by,
            imports: record.imports,
            manifest: record.manifest.as_deref().map(str::to_owned),
        }
    }
}

/// The name of the component that a path has.
pub(super) fn name_of(path: Result<Path<String>, PathRejection>) -> Result<TaskName, Problem> {
    let Path(name) = path.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    name.parse().map_err(|error| Problem::unprocessable(format!("{name:?} can't be a component's name: {error}")))
}

/// List the components that this runtime knows.
#[utoipa::path(get, path = "/v1/components", tag = "components", responses(
    (status = 200, description = "all of them, by name", body = ComponentList),
))]
pub(super) async fn list(State(service): State<Arc<Service>>) -> Json<ComponentList> {
    let listed = service.parts().components.list();
    Json(ComponentList { items: listed.into_iter().map(ComponentView::from).collect() })
}

/// List the versions of a component.
#[utoipa::path(get, path = "/v1/components/{name}", tag = "components", params(("name" = String, Path)), responses(
    (status = 200, description = "its versions", body = VersionsView),
    (status = 404, description = "there is no such component", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it was put into the store by hand, and has no versions", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "the store does not answer now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn versions(
    State(service): State<Arc<Service>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<VersionsView>, Problem> {
    let name = name_of(name)?;
    let store = service.parts().components.store();
    let Some(versions) = store.versions(&name).await? else {
        return Err(match store.head(&name).await? {
            Some(_) => StoreError::Loose { name }.into(),
            None => unknown(&name),
        });
    };
    Ok(Json(VersionsView {
        name: name.to_string(),
        current: versions.current.map(Version::get),
        versions: versions.all.into_iter().map(|record| VersionView::new(record, &name, store.signers())).collect(),
    }))
}

/// The version to be current.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CurrentBody {
    /// Its number.
    #[schema(value_type = u32, minimum = 1)]
    version: Version,
}

/// What making another version current has done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SwitchedView {
    name: String,
    /// The version that is current now.
    current: u32,
    /// The one that was; none if the component had been removed.
    before: Option<u32>,
    digest: String,
}

/// Make another version the current one, as to go back to an older one.
#[utoipa::path(post, path = "/v1/components/{name}/current", tag = "components", params(("name" = String, Path)),
    request_body = CurrentBody, responses(
    (status = 200, description = "it is current", body = SwitchedView),
    (status = 401, description = "there is no token, or none that is good", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "the token is not good for this, or nobody may write", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "there is no such component or version", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it was put into the store by hand, and has no versions", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "the version is not signed as it has to be", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "the store does not answer now, or too many are uploaded at once", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn make_current(
    State(service): State<Arc<Service>>,
    Extension(doors): Extension<Arc<Doors>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<SwitchedView>, Problem> {
    let (writer, name) = doors.access.writer_of(request.headers(), service.parts().database.clock().now(), name)?;
    // Only now: of those who may not write, nothing is read.
    let Json(CurrentBody { version }) = Json::from_request(request, &()).await?;
    // The version's file is read, to see whether it is whole.
    let _place = doors.uploads.place()?;
    let components = &service.parts().components;
    let switched = components.store().use_version(&name, version).await?;
    components.look_now();
    let by = writer.name();
    tracing::info!(component.name = %name, "version {version} of component {name} was made current over HTTP by {by}");
    Ok(Json(SwitchedView {
        name: name.to_string(),
        current: version.get(),
        before: switched.before.map(Version::get),
        digest: switched.record.digest.to_string(),
    }))
}

/// Take a component away. Its versions stay, and can be made current again; one that was put into the store by hand is gone.
#[utoipa::path(delete, path = "/v1/components/{name}", tag = "components", params(("name" = String, Path)), responses(
    (status = 204, description = "no task finds it any more"),
    (status = 401, description = "there is no token, or none that is good", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "the token is not good for this, or nobody may write", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "there is no such component", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "the store does not answer now", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn remove(
    State(service): State<Arc<Service>>,
    Extension(doors): Extension<Arc<Doors>>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (writer, name) = doors.access.writer_of(&headers, service.parts().database.clock().now(), name)?;
    let components = &service.parts().components;
    match components.store().remove(&name).await? {
        Removed::Version(_) | Removed::Loose => {}
        Removed::Nothing => return Err(unknown(&name)),
    }
    components.look_now();
    tracing::info!(component.name = %name, "component {name} was removed over HTTP by {}", writer.name());
    Ok(StatusCode::NO_CONTENT)
}

fn unknown(name: &TaskName) -> Problem {
    Problem::not_found(format!("there is no component {name}"))
}
