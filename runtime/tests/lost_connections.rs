//! Broker and database that go away under a running service: readiness tells, nothing is lost, and it goes on by itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/process.rs"]
mod process;
#[path = "../../event-driven/tests/support/proxy.rs"]
mod proxy;
#[path = "support/stack.rs"]
mod stack;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use process::{PATIENCE, Process};
use proxy::Proxy;
use reqwest::StatusCode;
use serde_json::{Value, json};
use stack::Stack;
use tokio::time::Instant;
use warren::lifecycle::TaskStatus;

/// Waits until it is ready.
async fn ready(warren: &Process) {
    readiness(warren, |status, _| status == StatusCode::OK).await;
}

/// Waits until it tells that it has lost this, and the other thing not.
async fn lost(warren: &Process, lost: &str, other: &str) {
    let right = |told: &Value| told["parts"][lost] != "ok" && told["parts"][other] == "ok";
    readiness(warren, |status, told| status == StatusCode::SERVICE_UNAVAILABLE && right(told)).await;
}

/// Waits until readiness is as it should be.
async fn readiness(warren: &Process, right: impl Fn(StatusCode, &Value) -> bool) {
    warren::tls::install_ring();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let response = http.get(format!("{}/readyz", warren.url)).send().await.expect("HTTP answers whatever is lost");
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        if right(status, &body) {
            return;
        }
        assert!(Instant::now() < deadline, "{status} {body}");
        // Readiness can only be asked for.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_comes_back() {
    let stack = Stack::new().await;
    let proxy = Proxy::start(stack.vhost.server()).await;
    let mut command = stack.command(&[]);
    command.env("RABBITMQ_URL", stack.vhost.url_by(proxy.port));
    let warren = Process::start(command);
    ready(&warren).await;

    proxy.refuse();
    lost(&warren, "broker", "database").await;
    // Published past the proxy while the service is cut off.
    let publisher = stack.publisher().await;
    for n in 0..200 {
        publisher.task("echo", &json!({ "n": n }), Some(&format!("m-{n}"))).await;
    }
    let body = json!({ "task_name": "echo", "payload": 1, "message_id": "over-http" });
    warren::tls::install_ring();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let refused = http.post(format!("{}/v1/tasks", warren.url)).json(&body).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);

    proxy.restore();
    ready(&warren).await;
    let accepted = http.post(format!("{}/v1/tasks?wait=120s", warren.url)).json(&body).send().await.unwrap();
    assert!(accepted.status().is_success(), "{accepted:?}");
    let tasks = stack.ended("echo", 201).await;
    assert!(tasks.iter().all(|task| task.status == TaskStatus::Completed), "{tasks:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_are_cut_under_load_lose_nothing() {
    let stack = Stack::new().await;
    let proxy = Proxy::start(stack.vhost.server()).await;
    let mut command = stack.command(&[]);
    command.env("RABBITMQ_URL", stack.vhost.url_by(proxy.port));
    let _warren = Process::start(command);
    let publisher = stack.publisher().await;
    for n in 0..1500 {
        publisher.task("echo", &json!({ "n": n }), Some(&format!("m-{n}"))).await;
        if n % 300 == 150 {
            proxy.cut();
        }
    }
    let tasks = stack.ended("echo", 1500).await;
    assert!(tasks.iter().all(|task| task.status == TaskStatus::Completed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_comes_back() {
    let stack = Stack::new().await;
    let proxy = Proxy::start(stack.database_server()).await;
    let mut command = stack.command(&[]);
    command.env("DATABASE_URL", stack.database_url_at(proxy.port));
    let warren = Process::start(command);
    let publisher = stack.publisher().await;
    publisher.task("echo", &json!({}), Some("before")).await;
    stack.ended("echo", 1).await;

    proxy.refuse();
    for n in 0..200 {
        // Half of them without an id: those are not looked up, only recorded.
        let id = format!("m-{n}");
        publisher.task("echo", &json!({ "n": n }), (n % 2 == 0).then_some(id.as_str())).await;
    }
    lost(&warren, "database", "broker").await;

    proxy.restore();
    ready(&warren).await;
    let tasks = stack.ended("echo", 201).await;
    assert!(tasks.iter().all(|task| task.status == TaskStatus::Completed));
}
