//! How the bytes come in: cut off, too many, too slow.

use std::{io::Write, net::TcpStream};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{Site, TOKEN, answer, answering, assert_refused, raw, send};

fn head(site: &Site, more: &str) -> String {
    format!(
        "PUT /v1/components/work HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n{more}\r\n\r\n",
        site.addr()
    )
}

/// An upload of so many bytes that has a place, and of which none has been sent.
pub(crate) fn begin(site: &Site, length: usize) -> TcpStream {
    let mut stream = site.connect();
    let expects = head(site, &format!("expect: 100-continue\r\ncontent-length: {length}"));
    stream.write_all(expects.as_bytes()).unwrap();
    // It has a place as soon as the server asks for the body.
    let mut asked = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[tokio::test]
async fn an_upload_that_is_cut_off_changes_nothing() {
    let site = Site::guarded(&[]);
    let bytes = answering("one");
    let announced = head(&site, &format!("content-length: {}", bytes.len()));
    let chunked = head(&site, "transfer-encoding: chunked") + &format!("{:x}\r\n", bytes.len());
    for head in [announced, chunked] {
        let mut stream = site.connect();
        stream.write_all(head.as_bytes()).unwrap();
        // All but one byte.
        stream.write_all(&bytes[..bytes.len() - 1]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // The server has seen the end when it closes, whether or not it still says why.
        let told = answer(&mut stream);
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 400"), "{told}");
    }
    site.assert_empty().await;
    assert_eq!(site.put("work", bytes).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_its_header_and_while_it_streams() {
    let site = Site::guarded(&[("WARREN_COMPONENTS_MAX_SIZE", "16KiB")]);
    // Not a byte of the body is waited for.
    let told = raw(site.connect(), head(&site, "connection: close\r\ncontent-length: 16385").as_bytes());
    assert!(told.starts_with("HTTP/1.1 413") && told.contains("components.max_size"), "{told}");
    // Chunks without end: the answer comes while more could follow.
    let chunk = [b"1001\r\n".as_slice(), &[0; 4097], b"\r\n"].concat();
    let mut request = head(&site, "transfer-encoding: chunked").into_bytes();
    request.extend(chunk.repeat(4));
    let told = raw(site.connect(), &request);
    assert!(told.starts_with("HTTP/1.1 413") && told.contains("components.max_size"), "{told}");
    site.assert_empty().await;
}

#[tokio::test]
async fn slow_uploads_hold_nobody_up_and_are_given_up() {
    let site = Site::guarded(&[("WARREN_HTTP_UPLOADS", "2"), ("WARREN_HTTP_UPLOAD_PATIENCE", "6s")]);
    // Compiled now, which may take long.
    assert_eq!(site.put("other", answering("one")).await.0, StatusCode::CREATED);
    let mut first = begin(&site, 100);
    assert_eq!(site.put("another", answering("one")).await.0, StatusCode::CREATED);
    let mut second = begin(&site, 100);
    // They do not stand still, they are slow.
    let mut go_on = || [&mut first, &mut second].into_iter().for_each(|slow| slow.write_all(b"x").unwrap());
    go_on();
    let (status, problem) = site.put("other", answering("two")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(problem["detail"].as_str().unwrap().contains("http.uploads"), "{problem}");
    go_on();
    // Neither is another file read meanwhile, to go back to it.
    let current = site.request(Method::POST, "/other/current").json(&json!({ "version": 1 }));
    assert_refused(send(current).await, StatusCode::SERVICE_UNAVAILABLE, "http.uploads");
    // Who is being executed is not held up either.
    assert_eq!(site.task("other").await["result"], "one");
    for stream in [&mut first, &mut second] {
        let told = answer(stream);
        assert!(told.starts_with("HTTP/1.1 408") && told.contains("http.upload_patience"), "{told}");
    }
    assert_eq!(site.put("other", answering("two")).await.0, StatusCode::CREATED);
}
