//! `PUT /v1/components/{name}`: a component, and its manifest, in one request.
//!
//! Who may; what is there to say without the body; the body; the check at the door; the store. Nothing is stored before
//! all of that, and a request that ends anywhere has changed nothing or all.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use event_driven::names::TaskName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Doors, problem::Problem, receive::Uploads};
use crate::{
    components::{Change, Digest, Pushed, Refused, Signature, SignatureError, Signers, Upload},
    service::Service,
};

/// The header that has the manifest.
const MANIFEST: &str = "warren-manifest";

/// The header that has the signature.
const SIGNATURE: &str = "warren-signature";

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadQuery {
    /// `sha256:` and 64 hex digits. What has another digest is refused.
    digest: Option<String>,
}

/// What an upload has done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PushedView {
    name: String,
    /// The number of the version that is current now.
    version: u32,
    /// `added`: it is a new version. `again`: it was a version, and is current again. `unchanged`: it was current already.
    change: &'static str,
    digest: String,
    size_bytes: u64,
    /// What it imports, by full name.
    imports: Vec<String>,
    /// `given` with this upload, `kept` from before, or `none`.
    manifest: &'static str,
    /// The key of `components.require_signatures` that has signed it. None, too, where no keys are configured.
    signed_by: Option<String>,
    /// Who pushed the version first.
    by: String,
}

/// Upload a component and make it current. The same file with the same manifest is one version, however often it comes.
#[utoipa::path(put, path = "/v1/components/{name}", tag = "components",
    params(("name" = String, Path), UploadQuery,
        ("warren-manifest" = Option<String>, Header, description = "the manifest (TOML), in base64. Without it, the component keeps the one that it has"),
        ("warren-signature" = Option<String>, Header, description = "the signature of name, file and manifest, in base64, as `warren component sign` writes it")),
    request_body(content = String, content_type = "application/wasm", description = "the component's file"),
    responses(
    (status = 201, description = "it is a new version", body = PushedView),
    (status = 200, description = "it was a version already, and is current", body = PushedView),
    (status = 400, description = "the upload was cut off, or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "there is no token, or none that is good", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "the token is not good for this, or nobody may write", body = Problem, content_type = "application/problem+json"),
    (status = 408, description = "it stood still for too long, or took more than 15 minutes", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "a component's name differs from this one only in case; or it brings no manifest, and somebody else has just pushed another one: try again", body = Problem, content_type = "application/problem+json"),
    (status = 413, description = "it is larger than a component may be", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "no runtime could execute it, its digest is another, or it is not signed as it has to be", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "the store does not take it now, or too many are uploaded at once", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn upload(
    State(service): State<Arc<Service>>,
    Extension(doors): Extension<Arc<Doors>>,
    name: Result<Path<String>, PathRejection>,
    query: Result<Query<UploadQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (writer, name) = doors.access.writer_of(&headers, service.parts().database.clock().now(), name)?;
    let expected = query?.0.digest.map(|text| text.parse::<Digest>()).transpose();
    let expected = expected.map_err(|error| Problem::bad_request(error.to_string()))?;
    let (manifest, signature) = (manifest_of(&headers)?, signature_of(&headers)?);
    let is_given = manifest.is_some();
    let store = service.parts().components.store();
    let pushed = doors
        .uploads
        .receive(&headers, body, async |bytes| {
            ensure_digest(&bytes, expected).await?;
            let by = writer.name().to_owned();
            let mut upload = Upload { bytes, manifest, signature, by, imports: Vec::new() };
            // Before it is compiled: what nobody vouches for is not let in so far.
            store.ensure_signed(&name, &upload).await?;
            let (imports, kept) = check(&service, &doors.uploads, &name, &upload).await?;
            upload.imports = imports;
            Ok(store.push_checked(&name, upload, kept.as_deref(), &|_| {}).await?)
        })
        .await?;
    service.parts().components.look_now();
    tell(&name, &pushed, writer.name());
    Ok(answer(&name, pushed, is_given, store.signers()))
}

async fn ensure_digest(bytes: &Bytes, expected: Option<Digest>) -> Result<(), Problem> {
    let Some(expected) = expected else { return Ok(()) };
    let found = Digest::of_file(bytes.clone()).await;
    match found == expected {
        true => Ok(()),
        false => Err(Problem::unprocessable(format!(
            "the digest of what arrived is {found}, not {expected}: nothing has changed"
        ))),
    }
}

/// Does what a runtime does when it finds the file: with the manifest that came with it, or the one that stays. Gives what
/// it imports, and the manifest that stays.
async fn check(
    service: &Service,
    uploads: &Uploads,
    name: &TaskName,
    upload: &Upload,
) -> Result<(Vec<String>, Option<String>), Problem> {
    let (components, manifest) = (&service.parts().components, upload.manifest.as_deref());
    let kept = match manifest {
        Some(_) => None,
        None => components.store().kept_manifest(name).await?,
    };
    let turn = uploads.turn().await;
    let checked = components.check(upload.bytes.clone(), manifest.or(kept.as_deref())).await;
    drop(turn);
    let checked = checked.map_err(|refused| match refused {
        Refused::Compile(ref error) if error.may_pass() => Problem::unavailable(refused.to_string()),
        Refused::Compile(_) | Refused::Unfit(_) => {
            Problem::unprocessable(format!("{name} can't be a component of warren: {refused}"))
        }
    })?;
    Ok((checked.imports, kept))
}

/// The manifest that comes with a component. A header: it is there before the body, and the body is the file as it is.
fn manifest_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(MANIFEST) else { return Ok(None) };
    let bytes = STANDARD.decode(value).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let wrong = || Problem::bad_request("the header Warren-Manifest takes a TOML text in base64: base64 -w0 FILE.toml");
    text.ok_or_else(wrong).map(Some)
}

/// The signature that comes with a component.
fn signature_of(headers: &HeaderMap) -> Result<Option<Signature>, Problem> {
    let Some(value) = headers.get(SIGNATURE) else { return Ok(None) };
    let signature = value.to_str().map_or(Err(SignatureError), str::parse);
    let wrong = |error| Problem::bad_request(format!("the header Warren-Signature: {error}"));
    signature.map_err(wrong).map(Some)
}

fn tell(name: &TaskName, pushed: &Pushed, by: &str) {
    let (number, digest) = (pushed.record.number, &pushed.record.digest);
    let what = match pushed.change {
        Change::Added => format!("version {number} of component {name} was pushed over HTTP by {by} ({digest})"),
        Change::Again => format!("version {number} of component {name} is current again, over HTTP by {by} ({digest})"),
        Change::Unchanged => return,
    };
    tracing::info!(component.name = %name, "{what}");
}

fn answer(name: &TaskName, pushed: Pushed, is_given: bool, signers: &Signers) -> Response {
    let (status, change) = match pushed.change {
        Change::Added => (StatusCode::CREATED, "added"),
        Change::Again => (StatusCode::OK, "again"),
        Change::Unchanged => (StatusCode::OK, "unchanged"),
    };
    let record = pushed.record;
    let signed_by = signers.signer(&record.statement(name), record.signature.as_ref());
    let manifest = match (&record.manifest, is_given) {
        (_, true) => "given",
        (Some(_), false) => "kept",
        (None, false) => "none",
    };
    let view = PushedView {
        name: name.to_string(),
        version: record.number.get(),
        change,
        digest: record.digest.to_string(),
        size_bytes: record.size_bytes,
        imports: record.imports,
        manifest,
        signed_by: signed_by.map(ToString::to_string),
        by: record.by,
    };
    (status, [(header::LOCATION, format!("/v1/components/{name}"))], Json(view)).into_response()
}
