//! A runtime that dies or is told to stop: nothing is lost, nothing is recorded twice.

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

use guest::guest;
use serde_json::json;
use stack::{ALIVE, Stack, UNLIMITED};
use warren::lifecycle::{TaskFilter, TaskStatus};

const LOOP: &str = "(loop (br 0)) (unreachable)";

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_of_the_work_loses_nothing() {
    let stack = Stack::new().await;
    let first = stack.start(&[]);
    let publisher = stack.publisher().await;
    for n in 0..2000 {
        let id = format!("m-{n}");
        // Every other one without an id: a crash after the commit gives those a second row.
        publisher.task("echo", &json!({ "n": n }), (n % 2 == 0).then_some(id.as_str())).await;
        if n == 700 {
            first.signal("KILL");
        }
    }
    drop(first);
    let _second = stack.start(&[]);
    let filter = TaskFilter { task_name: Some("echo".into()), ..TaskFilter::default() };
    let tasks = stack
        .wait_for_tasks(&filter, |tasks| tasks.len() >= 2000 && tasks.iter().all(|task| task.status.is_final()))
        .await;
    assert!(tasks.iter().all(|task| task.status == TaskStatus::Completed));
    let with_id = tasks.iter().filter(|task| task.message_id.is_some()).count();
    assert_eq!(with_id, 1000, "a message with an id has exactly one row");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_cut_off_by_a_crash_is_finished_by_the_next_runtime_in_the_same_row() {
    let stack = Stack::new().await;
    stack.add_component("slow", &guest(LOOP));
    let publisher;
    {
        let first = stack.start(&UNLIMITED);
        publisher = stack.publisher().await;
        publisher.task("slow", &json!({ "n": 1 }), None).await;
        let filter = TaskFilter { status: Some(TaskStatus::Running), ..TaskFilter::default() };
        stack.wait_for_tasks(&filter, |tasks| tasks.len() == 1).await;
        first.signal("KILL");
    }
    // The next one finds another component of that name, which ends.
    stack.add_component("slow", &std::fs::read(stack.components.path().join("echo.wasm")).unwrap());
    let _second = stack.start(&[]);
    let tasks = stack.ended("slow", 1).await;
    assert_eq!((tasks[0].status, tasks[0].attempt), (TaskStatus::Completed, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_cut_off_by_a_stop_keeps_its_attempt_and_goes_back() {
    let stack = Stack::new().await;
    stack.add_component("slow", &guest(LOOP));
    let mut first = stack.start(&[&UNLIMITED[..], &[ALIVE, ("WARREN_SERVICE_GRACE", "100ms")]].concat());
    let publisher = stack.publisher().await;
    publisher.task("slow", &json!({}), Some("slow-1")).await;
    let running = TaskFilter { status: Some(TaskStatus::Running), ..TaskFilter::default() };
    stack.wait_for_tasks(&running, |tasks| tasks.len() == 1).await;
    first.signal("TERM");
    assert!(first.wait().success(), "{}", first.log());
    assert!(first.log().contains("1 tasks went back to their queue"), "{}", first.log());

    let filter = TaskFilter { task_name: Some("slow".into()), ..TaskFilter::default() };
    let tasks = stack.database.list_tasks(&filter, 10, None).await.unwrap();
    assert_eq!((tasks.len(), tasks[0].status, tasks[0].attempt), (1, TaskStatus::Pending, 0));
    publisher.wait_for_depth("tasks", 1).await;

    stack.add_component("slow", &std::fs::read(stack.components.path().join("echo.wasm")).unwrap());
    let _second = stack.start(&[]);
    let tasks = stack.ended("slow", 1).await;
    assert_eq!((tasks[0].status, tasks[0].attempt), (TaskStatus::Completed, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_running_tasks_end_and_a_second_signal_does_not() {
    let stack = Stack::new().await;
    stack.add_component("slow", &guest(LOOP));
    let mut warren = stack.start(&[&UNLIMITED[..], &[ALIVE, ("WARREN_SERVICE_GRACE", "10min")]].concat());
    let publisher = stack.publisher().await;
    publisher.task("slow", &json!({}), Some("slow-1")).await;
    let running = TaskFilter { status: Some(TaskStatus::Running), ..TaskFilter::default() };
    stack.wait_for_tasks(&running, |tasks| tasks.len() == 1).await;
    warren.signal("TERM");
    warren.wait_for_line("SIGTERM: stopping");
    warren.signal("INT");
    assert!(warren.wait().success(), "{}", warren.log());
}
