//! Requests over HTTP.

use warren_task::{
    Failure,
    serde_json::{Value, json},
};
use wasip2::http::{
    outgoing_handler::{self, FutureIncomingResponse},
    types::{ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme},
};

use crate::refused;

const CHUNK: usize = 4096;

pub(crate) fn send(method: &str, url: &str, body: usize, headers: &[(String, String)]) -> Result<Value, Failure> {
    let (status, body) = answer(begin(method, url, body, headers)?)?;
    Ok(json!({ "status": status, "body": String::from_utf8_lossy(&body) }))
}

pub(crate) fn often(url: &str, times: usize) -> Result<Value, Failure> {
    for _ in 0..times {
        answer(begin("GET", url, 0, &[])?)?;
    }
    Ok(json!(times))
}

pub(crate) fn at_once(url: &str, times: usize) -> Result<Value, Failure> {
    let begun = (0..times).map(|_| begin("GET", url, 0, &[])).collect::<Result<Vec<_>, _>>()?;
    for request in begun {
        answer(request)?;
    }
    Ok(json!(times))
}

fn begin(
    method: &str,
    url: &str,
    body: usize,
    headers: &[(String, String)],
) -> Result<FutureIncomingResponse, Failure> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| refused("no URL"))?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).map_err(refused)?;
    }
    let request = OutgoingRequest::new(fields);
    let method = match method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_method(&method).map_err(refused)?;
    request.set_scheme(Some(&scheme)).map_err(refused)?;
    request.set_authority(Some(authority)).map_err(refused)?;
    request.set_path_with_query(Some(path)).map_err(refused)?;
    let outgoing = request.body().map_err(refused)?;
    let answer = outgoing_handler::handle(request, None).map_err(refused)?;
    let stream = outgoing.write().map_err(refused)?;
    let block = [b'x'; CHUNK];
    let mut left = body;
    while left > 0 {
        let chunk = block.get(..left.min(CHUNK)).unwrap_or_default();
        // The error that matters is the answer's.
        if stream.blocking_write_and_flush(chunk).is_err() {
            break;
        }
        left -= chunk.len();
    }
    drop(stream);
    let _ = OutgoingBody::finish(outgoing, None);
    Ok(answer)
}

fn answer(future: FutureIncomingResponse) -> Result<(u16, Vec<u8>), Failure> {
    future.subscribe().block();
    let answer: Result<_, ErrorCode> = future.get().ok_or_else(|| refused("not ready"))?.map_err(refused)?;
    let answer = answer.map_err(refused)?;
    let (status, body) = (answer.status(), answer.consume().map_err(refused)?);
    let read = read(&body);
    drop(IncomingBody::finish(body));
    Ok((status, read?))
}

fn read(body: &IncomingBody) -> Result<Vec<u8>, Failure> {
    let (stream, mut bytes) = (body.stream().map_err(refused)?, Vec::new());
    loop {
        match stream.blocking_read(CHUNK as u64) {
            Ok(more) => bytes.extend(more),
            Err(wasip2::io::streams::StreamError::Closed) => return Ok(bytes),
            Err(error) => return Err(refused(error)),
        }
    }
}
