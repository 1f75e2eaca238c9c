//! `warren dev` without tokens: this machine may write, and no web page that is open on it; elsewhere writing is off.

use reqwest::{Method, StatusCode};

use crate::{Site, answering, assert_refused, raw, send};

#[tokio::test]
async fn on_loopback_dev_takes_uploads_without_a_token() {
    let site = Site::open(&[]);
    let request = site.http.put(format!("{}/v1/components/work", site.warren.url)).body(answering("one"));
    let (status, pushed) = send(request).await;
    assert_eq!((status, pushed["by"].as_str()), (StatusCode::CREATED, Some("dev, over HTTP")));
    assert_eq!(site.task("work").await["result"], "one");
    // A page that this server itself would serve is no stranger.
    let own = site.request(Method::PUT, "/work").header("origin", &site.warren.url).body(answering("one"));
    assert_eq!(send(own).await.0, StatusCode::OK);
}

#[tokio::test]
async fn no_page_of_another_site_writes_to_dev() {
    let site = Site::open(&[]);
    let port = site.addr().rsplit(':').next().unwrap();
    let pages = [
        "https://evil.example",
        "null",
        "http://localhost:3000",
        &format!("https://127.0.0.1:{port}"),
        "http://127.0.0.1",
    ];
    for (method, path) in [(Method::PUT, "/work"), (Method::POST, "/work/current"), (Method::DELETE, "/work")] {
        for page in pages {
            let request = site.request(method.clone(), path).header("origin", page).body(answering("one"));
            assert_refused(send(request).await, StatusCode::FORBIDDEN, "no page of another site");
        }
    }
    site.assert_empty().await;
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_to_this_machine_does_not_write_to_dev() {
    let site = Site::open(&[]);
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "[::1].evil.example", "0.0.0.0"]
    {
        let head = format!(
            "DELETE /v1/components/work HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\nconnection: close\r\n\r\n"
        );
        let told = raw(site.connect(), head.as_bytes());
        assert!(told.starts_with("HTTP/1.1 403") && told.contains("only this machine may write"), "{host}: {told}");
    }
    for host in ["localhost", "127.0.0.1:1", "[::1]:80"] {
        let head = format!("DELETE /v1/components/work HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let told = raw(site.connect(), head.as_bytes());
        assert!(told.starts_with("HTTP/1.1 404"), "{host}: {told}");
    }
}

#[tokio::test]
async fn dev_that_is_open_to_others_takes_nothing_without_tokens() {
    let mut site = Site::start("", &[], &["--http-addr", "0.0.0.0:0"]);
    site.warren.url = site.warren.url.replace("0.0.0.0", "127.0.0.1");
    let (status, problem) = site.put("work", answering("one")).await;
    assert_refused((status, problem), StatusCode::FORBIDDEN, "`warren token new`");
    site.assert_empty().await;
}
