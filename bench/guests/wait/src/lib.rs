//! A component that waits as most tasks do: for an answer over HTTP. It asks for a URL, and gives the status of the answer.

#![cfg(target_os = "wasi")]

use serde::Deserialize;
use warren_task::Failure;
use wasip2::http::{
    outgoing_handler,
    types::{Fields, OutgoingRequest, Scheme},
};

/// Where it asks.
#[derive(Deserialize)]
struct Payload {
    /// `127.0.0.1:8080`
    authority: String,
    /// `/100`
    path: String,
}

#[warren_task::task]
fn execute(payload: Payload) -> Result<u16, Failure> {
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).map_err(refused)?;
    request.set_authority(Some(&payload.authority)).map_err(refused)?;
    request.set_path_with_query(Some(&payload.path)).map_err(refused)?;
    let future = outgoing_handler::handle(request, None).map_err(refused)?;
    future.subscribe().block();
    let answer = future.get().ok_or_else(|| refused("not ready"))?.map_err(refused)?.map_err(refused)?;
    Ok(answer.status())
}

fn refused(error: impl std::fmt::Debug) -> Failure {
    Failure::technical(format!("{error:?}"))
}
