//! `warren run`, on RabbitMQ and Postgres: off without tokens; what one runtime takes, all execute.

use std::fs;

use reqwest::{Client, StatusCode};
use serde_json::json;
use warren::components::Digest;

use crate::{TOKEN, answering, assert_refused, send, stack::Stack, token};

#[tokio::test(flavor = "multi_thread")]
async fn what_one_runtime_takes_every_runtime_executes() {
    let stack = Stack::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warren.toml");
    fs::write(&file, token("ci", TOKEN, "scopes = ['components:write']")).unwrap();
    let one = stack.start(&[("WARREN_CONFIG", file.to_str().unwrap())]);
    let other = stack.start(&[]);
    warren::tls::install_ring();
    let http = Client::builder().no_proxy().build().unwrap();
    let put = |url: &str| send(http.put(format!("{url}/v1/components/work")).bearer_auth(TOKEN).body(answering("one")));
    assert_refused(put(&other.url).await, StatusCode::FORBIDDEN, "writing over HTTP is off");
    assert_eq!(put(&one.url).await.0, StatusCode::CREATED);
    // The one that took nothing is left to execute it.
    drop(one);
    let publisher = stack.publisher().await;
    publisher.task("work", &json!({}), Some("m-1")).await;
    let tasks = stack.ended("work", 1).await;
    let row = stack.row(&tasks[0]).await;
    assert_eq!(row.component_digest.as_deref(), Some(Digest::of(&answering("one")).as_str()));
}
