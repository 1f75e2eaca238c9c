//! Tasks that last: a runtime holds few more than it executes, and another one gets its share at once. Events: it holds what its memory
//! allows.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/guest.rs"]
mod guest;
#[path = "support/process.rs"]
mod process;
#[path = "support/stack.rs"]
mod stack;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use std::{collections::BTreeMap, time::Duration};

use event_driven::lapin::BasicProperties;
use guest::guest;
use serde_json::json;
use stack::{ALIVE, Stack, TestPublisher, UNLIMITED};
use tokio::time::Instant;
use warren::lifecycle::{EventFilter, TaskFilter, TaskStatus};

const LOOP: &str = "(loop (br 0)) (unreachable)";

/// What is executed, by runtime, once there are as many.
async fn running(stack: &Stack, count: usize) -> BTreeMap<String, usize> {
    let filter = TaskFilter { status: Some(TaskStatus::Running), ..TaskFilter::default() };
    let tasks = stack.wait_for_tasks(&filter, |tasks| tasks.len() == count).await;
    let mut by_runtime = BTreeMap::new();
    for task in tasks {
        let row = stack.row(&task).await;
        assert_eq!(row.attempt, 0);
        *by_runtime.entry(row.runtime_id.unwrap().to_string()).or_default() += 1;
    }
    by_runtime
}

async fn publish(publisher: &TestPublisher, count: usize) {
    for n in 0..count {
        publisher.task("slow", &json!({ "n": n }), Some(&format!("slow-{n}"))).await;
    }
}

/// What the prefetch became, each time that a log tells of it.
fn prefetches(log: &str) -> impl Iterator<Item = u16> {
    log.lines().filter_map(|line| line.split("now=").nth(1)?.split_whitespace().next()?.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_starts_later_gets_its_share_at_once() {
    let stack = Stack::new().await;
    stack.add_component("slow", &guest(LOOP));
    let settings = [&UNLIMITED[..], &[ALIVE, ("WARREN_SANDBOX_CONCURRENCY", "4")]].concat();
    let _first = stack.start(&settings);
    let publisher = stack.publisher().await;
    publish(&publisher, 40).await;
    running(&stack, 4).await;
    // Four are executed, one is next.
    publisher.wait_for_depth("tasks", 35).await;
    let _second = stack.start(&settings);
    let ready = Instant::now();
    let by_runtime = running(&stack, 8).await;
    assert_eq!(by_runtime.into_values().collect::<Vec<_>>(), [4, 4]);
    assert!(ready.elapsed() < Duration::from_secs(60), "{:?}", ready.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_slot_goes_to_a_runtime_that_has_one() {
    let stack = Stack::new().await;
    stack.add_component("slow", &guest(LOOP));
    let settings = [&UNLIMITED[..], &[ALIVE, ("WARREN_SANDBOX_CONCURRENCY", "1")]].concat();
    let _first = stack.start(&settings);
    let publisher = stack.publisher().await;
    publish(&publisher, 2).await;
    running(&stack, 1).await;
    // The first holds both, and executes one.
    publisher.wait_for_depth("tasks", 0).await;
    let _second = stack.start(&settings);
    let by_runtime = running(&stack, 2).await;
    assert_eq!(by_runtime.into_values().collect::<Vec<_>>(), [1, 1]);
}

/// The other side: for tasks that are short it grows, so that no place is empty for a round trip.
#[tokio::test(flavor = "multi_thread")]
async fn short_tasks_get_more() {
    let stack = Stack::new().await;
    assert!(stack.bare().args(["topology", "apply"]).status().unwrap().success());
    let publisher = stack.publisher().await;
    let ids: Vec<_> = (0..1_500).map(|n| format!("m-{n}")).collect();
    let payload = json!({});
    futures_util::future::join_all(ids.iter().map(|id| publisher.task("echo", &payload, Some(id)))).await;
    let filter = ("WARREN_LOG_FILTER", "info,warren::service::pace=debug");
    let warren = stack.start(&[filter, ("WARREN_SANDBOX_CONCURRENCY", "4")]);
    assert!(warren.wait_for_line("the prefetch follows the work").contains("before=5 now="), "{}", warren.log());
    let tasks = stack.ended("echo", 1_500).await;
    assert!(tasks.iter().all(|task| task.status == TaskStatus::Completed));
    // How far depends on how fast this machine is.
    let log = warren.log();
    assert!(prefetches(&log).max() >= Some(8), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_small_events_more_are_held_than_of_large_ones() {
    let stack = Stack::new().await;
    let settings = [
        ("WARREN_LOG_FILTER", "info,warren::service::event_pace=debug"),
        ("WARREN_BROKER_MEMORY", "2MiB"),
        ("WARREN_BROKER_MAX_BODY", "1MiB"),
        ("WARREN_BROKER_PREFETCH", "1000"),
    ];
    let (publisher, warren) = (stack.publisher().await, stack.start(&settings));
    let properties = BasicProperties::default().with_app_id("shop".into()).with_correlation_id("c-1".into());
    let publish = async |count: usize, bytes: usize| {
        let body = json!({ "text": "a".repeat(bytes) }).to_string();
        for _ in 0..count {
            let key = "routing.event.create.user";
            publisher.raw("event.exchange", key, body.as_bytes(), properties.clone()).await;
        }
    };
    publish(600, 100).await;
    warren.wait_for_line("now=3000");
    publish(400, 32 << 10).await;
    // The mean of the last some is about 26 KiB: eighty are within the memory.
    let deadline = Instant::now() + process::PATIENCE;
    while prefetches(&warren.log()).min() > Some(100) {
        assert!(Instant::now() < deadline, "{}", warren.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    publisher.wait_for_depth("event.store", 0).await;
    let stored = async || stack.database.list_events(&EventFilter::default(), 1_001, None).await.unwrap().len();
    while stored().await < 1_000 {
        assert!(Instant::now() < deadline, "{} events are stored", stored().await);
    }
}
