//! A store that goes away under a running service.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::block_in_place;
use warren::lifecycle::TaskStatus;

use crate::{
    answering,
    process::{PATIENCE, Process, warren},
    s3::S3,
    stack::Stack,
    succeed,
};

/// Waits until the service says this of the store; gives all that it says.
async fn told_of_store(warren: &Process, right: impl Fn(&str) -> bool) -> (StatusCode, Value) {
    warren::tls::install_ring();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = http.get(format!("{}/readyz", warren.url)).send().await.unwrap();
        let (status, told) = (answer.status(), answer.json::<Value>().await.unwrap());
        if right(told["parts"]["components"].as_str().unwrap()) {
            return (status, told);
        }
        assert!(Instant::now() < deadline, "{told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runtimes_go_on_with_what_they_have_while_the_store_is_gone_or_hangs() {
    let Some(mut server) = S3::start() else { return };
    let (stack, folder) = (Stack::new().await, tempfile::tempdir().unwrap());
    let file = folder.path().join("work.wasm");
    std::fs::write(&file, answering("one")).unwrap();
    let variables = server.variables();
    let mut settings: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    settings.push(("WARREN_COMPONENTS_URL", "s3://components/here"));
    block_in_place(|| {
        succeed(warren().args(["component", "push"]).arg(&file).envs(settings.iter().copied()));
    });
    let runtime = block_in_place(|| stack.start(&settings));
    let publisher = stack.publisher().await;
    told_of_store(&runtime, |told| told == "ok").await;

    server.signal("STOP");
    let (status, told) = told_of_store(&runtime, |told| told.contains("has not answered within 10 s")).await;
    assert_eq!((status, &told["ready"]), (StatusCode::OK, &json!(true)), "{told}");
    publisher.task("work", &json!({}), None).await;
    assert_eq!(stack.ended("work", 1).await[0].status, TaskStatus::Completed);
    server.signal("CONT");
    told_of_store(&runtime, |told| told == "ok").await;

    server.kill();
    told_of_store(&runtime, |told| told.starts_with("the store of components at s3://components/here")).await;
    publisher.task("work", &json!({}), None).await;
    assert!(stack.ended("work", 2).await.iter().all(|task| task.status == TaskStatus::Completed));
    let told = runtime.log().lines().filter(|line| line.contains("the store of components can't be read")).count();
    assert!((1..=2).contains(&told), "each outage is told once, not {told} times:\n{}", runtime.log());
}
