//! Tasks are cancelled: while they wait, while they run, here and in another runtime, with a message id and without.

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

use std::process::Output;

use serde_json::json;
use stack::{ALIVE, Stack, UNLIMITED};
use warren::lifecycle::{TaskFilter, TaskStatus, TaskSummary};

/// Runs until its time is over.
fn endless() -> Vec<u8> {
    guest::guest("(loop (br 0)) (unreachable)")
}

async fn with_status(stack: &Stack, status: TaskStatus, count: usize) -> Vec<TaskSummary> {
    let filter = TaskFilter { status: Some(status), ..TaskFilter::default() };
    stack.wait_for_tasks(&filter, |tasks| tasks.len() == count).await
}

/// Those that wait for their retry.
async fn waiting(stack: &Stack, count: usize) -> Vec<TaskSummary> {
    let filter = TaskFilter { status: Some(TaskStatus::Pending), ..TaskFilter::default() };
    let waits = |task: &TaskSummary| task.error.is_some();
    stack.wait_for_tasks(&filter, |tasks| tasks.len() == count && tasks.iter().all(waits)).await
}

/// Settings of a runtime whose guests go on for as long as a test needs them, and that is alive meanwhile.
fn lasting(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&UNLIMITED[..], &[ALIVE], more].concat()
}

fn task_command(stack: &Stack, arguments: &[&str]) -> Output {
    stack.bare().arg("task").args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_runs_is_interrupted_from_outside_and_its_message_is_gone() {
    let stack = Stack::new().await;
    stack.add_component("slow", &endless());
    let (publisher, _warren) = (stack.publisher().await, stack.start(&lasting(&[])));
    publisher.task("slow", &json!(1), Some("with-an-id")).await;
    publisher.task("slow", &json!(2), None).await;
    let tasks = with_status(&stack, TaskStatus::Running, 2).await;

    let ids: Vec<_> = tasks.iter().map(|task| task.id.to_string()).collect();
    let retried = task_command(&stack, &["retry", &ids[0]]);
    assert_eq!(retried.status.code(), Some(1));
    assert!(printed(&retried).contains(", which is alive: wait for its end"), "{}", printed(&retried));
    let cancelled = task_command(&stack, &["cancel", &ids[0], &ids[1], "--timeout", "60s"]);
    assert_eq!(cancelled.status.code(), Some(0), "{}", printed(&cancelled));
    for task in with_status(&stack, TaskStatus::Cancelled, 2).await {
        assert_eq!(task.error.as_deref(), Some("cancelled: on request"));
        let attempts = stack.database.attempts_of(task.id).await.unwrap();
        let told: Vec<_> = attempts.iter().map(|attempt| attempt.error_class.as_deref()).collect();
        assert_eq!(told, [Some("cancelled")]);
    }
    for queue in ["tasks", "dead.tasks", "attempt.0.tasks"] {
        publisher.wait_for_depth(queue, 0).await;
    }
    // The place is free again, and the same id is not executed any more.
    publisher.task("slow", &json!(1), Some("with-an-id")).await;
    publisher.task("echo", &json!(1), None).await;
    stack.ended("echo", 1).await;
    let twice = task_command(&stack, &["cancel", &ids[0]]);
    assert_eq!((twice.status.code(), printed(&twice).contains("is CANCELLED")), (Some(0), true), "{}", printed(&twice));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_for_its_retry_is_not_executed_when_its_message_comes() {
    let stack = Stack::new().await;
    // The second attempt comes after 5 s, a third one would after 15 s.
    let settings = [("WARREN_RETRY_DELAY", "5s")];
    let (publisher, _warren) = (stack.publisher().await, stack.start(&settings));
    publisher.task("missing", &json!(1), Some("with-an-id")).await;
    publisher.task("missing", &json!(2), None).await;
    let mut tasks = waiting(&stack, 2).await;
    // By one command, and last the one whose message is waited for.
    tasks.sort_by_key(|task| task.message_id.is_none());
    let ids: Vec<_> = tasks.iter().map(|task| task.id.to_string()).collect();
    let cancelled = task_command(&stack, &["cancel", &ids[0], &ids[1], "--timeout", "60s"]);
    assert_eq!(cancelled.status.code(), Some(0), "{}", printed(&cancelled));
    let over = with_status(&stack, TaskStatus::Cancelled, 2).await;
    assert!(over.iter().all(|task| tasks.iter().any(|before| before.id == task.id)), "the same rows");
    for task in &over {
        assert!(stack.database.attempts_of(task.id).await.unwrap().len() <= 2, "{task:?}");
    }
    publisher.task("echo", &json!(1), None).await;
    stack.ended("echo", 1).await;
    assert_eq!(stack.database.list_tasks(&TaskFilter::default(), 10, None).await.unwrap().len(), 3);
    assert_eq!(publisher.depth("dead.tasks").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_runtime_died_before_it_heard_of_the_cancel_is_not_executed_again() {
    let stack = Stack::new().await;
    stack.add_component("slow", &endless());
    let (publisher, mut first) = (stack.publisher().await, stack.start(&lasting(&[])));
    publisher.task("slow", &json!(1), Some("with-an-id")).await;
    publisher.task("slow", &json!(2), None).await;
    let tasks = with_status(&stack, TaskStatus::Running, 2).await;
    first.signal("STOP");
    for task in &tasks {
        let noted = task_command(&stack, &["cancel", &task.id.to_string(), "--timeout", "0s"]);
        assert_eq!((noted.status.code(), printed(&noted).contains("is to be cancelled")), (Some(2), true));
    }
    first.signal("KILL");
    first.wait();
    stack.gone(tasks[0].runtime_id.as_deref().unwrap()).await;
    let second = stack.start(&[]);
    with_status(&stack, TaskStatus::Cancelled, 2).await;
    assert!(!second.log().contains("cut off with its runtime"), "{}", second.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_or_has_failed_is_tried_again_on_request() {
    let stack = Stack::new().await;
    stack.add_component("slow", &endless());
    let settings = lasting(&[("WARREN_RETRY_RETRIES", "0")]);
    let (publisher, mut first) = (stack.publisher().await, stack.start(&settings));
    for id in [Some("with-an-id"), None] {
        publisher.task("slow", &json!(1), id).await;
        publisher.task("missing", &json!(1), id.map(|_| "another")).await;
    }
    let running = with_status(&stack, TaskStatus::Running, 2).await;
    let failed = with_status(&stack, TaskStatus::Failed, 2).await;
    let runs = task_command(&stack, &["retry", &running[0].id.to_string()]);
    assert!(!runs.status.success() && printed(&runs).contains("which is alive"), "{}", printed(&runs));
    for task in &running {
        let cancelled = task_command(&stack, &["cancel", &task.id.to_string(), "--timeout", "60s"]);
        assert!(cancelled.status.success(), "{}", printed(&cancelled));
    }
    // In order: no message may come back whose task is over.
    first.signal("TERM");
    assert!(first.wait().success(), "{}", first.log());
    let echo = std::fs::read(stack.components.path().join("echo.wasm")).unwrap();
    for name in ["slow", "missing"] {
        stack.add_component(name, &echo);
    }
    let _second = stack.start(&settings);
    let ids: Vec<_> = running.iter().chain(&failed).map(|task| task.id).collect();
    for id in &ids {
        let again = task_command(&stack, &["retry", &id.to_string()]);
        assert!(again.status.success(), "{}", printed(&again));
    }
    let tasks = with_status(&stack, TaskStatus::Completed, 4).await;
    assert!(tasks.iter().all(|task| ids.contains(&task.id)), "the same rows: {tasks:?}");
    let over = task_command(&stack, &["cancel", &ids[0].to_string()]);
    assert_eq!((over.status.code(), printed(&over).contains("is COMPLETED: it was over before")), (Some(1), true));
    let unknown = task_command(&stack, &["cancel", "00000000-0000-0000-0000-000000000000"]);
    assert_eq!((unknown.status.code(), printed(&unknown).contains("no task has the id")), (Some(2), true));
}
