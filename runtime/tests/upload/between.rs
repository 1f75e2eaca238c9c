//! What somebody else pushes between the check of an upload and its storing.

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use tokio::task::block_in_place;

use crate::{
    answering, assert_refused,
    outage::site,
    process::PATIENCE,
    s3::{Gate, S3},
    send,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_not_paired_with_a_manifest_that_it_was_not_checked_with() {
    let Some(server) = S3::start() else { return };
    let other = site(&server.variables());
    assert_eq!(other.put("work", answering("one")).await.0, StatusCode::CREATED);
    let gate = Gate::before(&server, "PUT /components/here/blobs/");
    let site = site(&gate.variables());
    let held = tokio::spawn(send(site.request(Method::PUT, "/work").body(answering("two"))));
    block_in_place(|| gate.wait(PATIENCE));
    let manifest = STANDARD.encode("[limits]\ntimeout = '5s'\n");
    let with_manifest = other.request(Method::PUT, "/work").header("warren-manifest", manifest).body(answering("one"));
    assert_eq!(send(with_manifest).await.0, StatusCode::CREATED);
    gate.open();
    assert_refused(held.await.unwrap(), StatusCode::CONFLICT, "try again");
    let (_, versions) = other.get("/work").await;
    assert_eq!((&versions["current"], versions["versions"].as_array().unwrap().len()), (&2.into(), 2), "{versions}");
    let (status, pushed) = site.put("work", answering("two")).await;
    assert_eq!((status, &pushed["manifest"], &pushed["version"]), (StatusCode::CREATED, &"kept".into(), &3.into()));
}
