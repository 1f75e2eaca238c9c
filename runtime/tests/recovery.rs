//! What becomes of tasks that were under way when their runtime died, or lost its connection.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/guest.rs"]
mod guest;
#[path = "support/process.rs"]
mod process;
#[path = "../../event-driven/tests/support/proxy.rs"]
mod proxy;
#[path = "support/stack.rs"]
mod stack;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use event_driven::topology::DELIVERY_LIMIT;
use guest::{answer, guest_with};
use process::Process;
use proxy::Proxy;
use serde_json::{Value, json};
use stack::{ALIVE, Stack, UNLIMITED, header};
use warren::lifecycle::{AttemptOutcome, TaskFilter, TaskStatus, TaskSummary};

/// Runs until its time is over.
const ENDLESS: &str = "(loop (br 0)) (unreachable)";
const EMPTY_OBJECT: &str = r#"(memory (export "memory") 1) (data (i32.const 64) "{}")"#;

fn endless() -> Vec<u8> {
    guest::guest(ENDLESS)
}

/// Computes for a second or some, then completes.
fn slow() -> Vec<u8> {
    let count = "(local i64) (loop (local.set 2 (i64.add (local.get 2) (i64.const 1)))
        (br_if 0 (i64.lt_u (local.get 2) (i64.const 2000000000))))";
    guest_with(EMPTY_OBJECT, &format!("{count} {}", answer(64, 2)))
}

async fn running(stack: &Stack, count: usize) -> Vec<TaskSummary> {
    let filter = TaskFilter { status: Some(TaskStatus::Running), ..TaskFilter::default() };
    stack.wait_for_tasks(&filter, |tasks| tasks.len() == count).await
}

async fn outcomes(stack: &Stack, task: &TaskSummary) -> Vec<(i32, AttemptOutcome)> {
    let attempts = stack.database.attempts_of(task.id).await.unwrap();
    attempts.iter().map(|attempt| (attempt.attempt, attempt.outcome)).collect()
}

/// Waits until the first attempt is told as lost: with a sign of life of another runtime, apart from what becomes of the task.
async fn first_is_lost(stack: &Stack, task: &TaskSummary) {
    let deadline = tokio::time::Instant::now() + process::PATIENCE;
    while outcomes(stack, task).await[0].1 != AttemptOutcome::Lost {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", outcomes(stack, task).await);
        // Another process writes the rows: there is no event to wait for.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_runtime_was_killed_is_finished_by_another_one() {
    let stack = Stack::new().await;
    stack.add_component("slow", &endless());
    let settings = [&UNLIMITED[..], &[ALIVE]].concat();
    let (publisher, mut first) = (stack.publisher().await, stack.start(&settings));
    publisher.task("slow", &json!(1), Some("with-an-id")).await;
    publisher.task("slow", &json!(2), None).await;
    let cut_off = running(&stack, 2).await;
    // It has the component as it is now, and both messages as soon as the first one is dead.
    stack.add_component("slow", &std::fs::read(stack.components.path().join("echo.wasm")).unwrap());
    let second = stack.start(&[]);
    first.signal("KILL");
    first.wait();
    stack.gone(cut_off[0].runtime_id.as_deref().unwrap()).await;
    let tasks = stack.ended("slow", 2).await;
    for task in &tasks {
        assert_eq!((task.status, task.attempt), (TaskStatus::Completed, 0));
        assert!(cut_off.iter().any(|before| before.id == task.id), "the same row");
        assert_ne!(cut_off[0].runtime_id, task.runtime_id);
        first_is_lost(&stack, task).await;
        let lost_and_completed = [(0, AttemptOutcome::Lost), (0, AttemptOutcome::Completed)];
        assert_eq!(outcomes(&stack, task).await, lost_and_completed);
    }
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_task_is_not_executed_twice_because_its_connection_was_lost() {
    let stack = Stack::new().await;
    stack.add_component("slow", &slow());
    let proxy = Proxy::start(stack.vhost.server()).await;
    let settings = [&UNLIMITED[..], &[ALIVE, ("WARREN_LOG_FILTER", "info,warren=debug,lapin=off")]].concat();
    let mut command = stack.command(&settings);
    command.env("RABBITMQ_URL", stack.vhost.url_by(proxy.port));
    let first = Process::start(command);
    let publisher = stack.publisher().await;
    publisher.task("slow", &json!(1), Some("slow-1")).await;
    let before = running(&stack, 1).await;
    let mut second = stack.start(&settings);
    proxy.refuse();
    let task = stack.ended("slow", 1).await.remove(0);
    assert_eq!((task.status, task.attempt, &task.runtime_id), (TaskStatus::Completed, 0, &before[0].runtime_id));
    // An orderly stop settles what is held: the message was delivered to it, and is acked without an execution.
    second.signal("TERM");
    assert!(second.wait().success(), "{}", second.log());
    assert!(!second.log().contains("executing"), "{}", second.log());
    assert_eq!(first.log().matches("executing").count(), 1);
    assert_eq!(publisher.depth("tasks").await, 0);
    assert_eq!(outcomes(&stack, &task).await, [(0, AttemptOutcome::Completed)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_attempt_was_made_goes_on_to_the_next_attempt() {
    let stack = Stack::new().await;
    let publisher = stack.publisher().await;
    let settings = [("WARREN_RETRY_DELAY", "10min")];
    let first = stack.start(&settings);
    for id in [Some("m-1"), None] {
        publisher.task("missing", &json!(1), id).await;
    }
    let pending = TaskFilter { status: Some(TaskStatus::Pending), ..TaskFilter::default() };
    let tasks =
        stack.wait_for_tasks(&pending, |tasks| tasks.len() == 2 && tasks.iter().all(|task| task.error.is_some())).await;
    publisher.take("attempt.0.tasks", 2).await;
    first.signal("KILL");
    drop(first);
    // As a crash leaves it that came between the commit and the copy: the messages are in their queue as before.
    for id in [Some("m-1"), None] {
        publisher.task("missing", &json!(1), id).await;
    }
    publisher.give_back("tasks", 2).await;
    let _second = stack.start(&settings);
    for copy in publisher.take("attempt.0.tasks", 2).await {
        assert_eq!(header(&copy.properties, "x-attempt").as_deref(), Some("LongLongInt(1)"));
        assert!(header(&copy.properties, "x-error").unwrap().starts_with("no_such_component"));
    }
    for task in tasks {
        assert_eq!(outcomes(&stack, &task).await, [(0, AttemptOutcome::Failed)]);
    }
    assert_eq!(stack.database.list_tasks(&TaskFilter::default(), 10, None).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_came_back_too_often_has_failed() {
    let stack = Stack::new().await;
    drop(stack.start(&[]));
    let publisher = stack.publisher().await;
    publisher.task("echo", &json!(1), Some("poison")).await;
    for _ in 0..DELIVERY_LIMIT {
        publisher.give_back("tasks", 1).await;
    }
    let _warren = stack.start(&[]);
    let task = stack.ended("echo", 1).await.remove(0);
    assert_eq!(task.status, TaskStatus::Failed);
    assert!(task.error.unwrap().starts_with("technical: the message came back to its queue 20 times"));
    let dead = publisher.take("dead.tasks", 1).await.remove(0);
    assert!(header(&dead.properties, "x-error").unwrap().starts_with("technical: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_came_back_often_waits_for_its_place_as_long_as_it_takes() {
    let stack = Stack::new().await;
    stack.add_component("slow", &endless());
    // A delivery waits for twenty seconds here.
    let places = [("WARREN_SANDBOX_CONCURRENCY", "1"), ("WARREN_CEILING_TIMEOUT", "28m 40s"), ALIVE];
    let settings = [&UNLIMITED[..], &places, &[("WARREN_LOG_FILTER", "info,warren=debug,lapin=off")]].concat();
    drop(stack.start(&settings));
    let publisher = stack.publisher().await;
    publisher.task("echo", &json!(1), Some("patient")).await;
    // One more would be poison.
    for _ in 2..DELIVERY_LIMIT {
        publisher.give_back("tasks", 1).await;
    }
    let held = publisher.hold("tasks", 1).await;
    let warren = stack.start(&settings);
    publisher.task("slow", &json!(1), None).await;
    let slow = running(&stack, 1).await.remove(0);
    publisher.release(held).await;
    warren.wait_for_line("a copy waits for it in its queue");
    self::warren(&stack, &["task", "cancel", &slow.id.to_string()]);
    let task = stack.ended("echo", 1).await.remove(0);
    assert_eq!((task.status, task.error.as_deref()), (TaskStatus::Completed, None));
    assert_eq!(outcomes(&stack, &task).await, [(0, AttemptOutcome::Completed)]);
    publisher.wait_for_depth("tasks", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_whose_message_is_lost_are_listed_and_published_again() {
    let stack = Stack::new().await;
    stack.add_component("slow", &endless());
    let (publisher, first) = (stack.publisher().await, stack.start(&UNLIMITED));
    publisher.task("slow", &json!(1), Some("with-an-id")).await;
    publisher.task("slow", &json!(2), None).await;
    running(&stack, 2).await;
    first.signal("KILL");
    drop(first);
    let deadline = tokio::time::Instant::now() + process::PATIENCE;
    while publisher.depth("tasks").await < 2 {
        assert!(tokio::time::Instant::now() < deadline, "the messages did not come back");
    }
    publisher.purge("tasks").await;
    stack.add_component("slow", &std::fs::read(stack.components.path().join("echo.wasm")).unwrap());
    let _second = stack.start(&[]);

    let listed = || warren(&stack, &["task", "list", "--stuck", "--older-than", "1ms", "--output", "json"]);
    let mut stuck: Vec<Value> = serde_json::from_str(&listed()).unwrap();
    // Until the lease of the dead one is over.
    while stuck.len() < 2 {
        assert!(tokio::time::Instant::now() < deadline, "{stuck:?}");
        stuck = serde_json::from_str(&listed()).unwrap();
    }
    let ids: Vec<_> = stuck.iter().map(|task| task["id_task"].as_str().unwrap()).collect();
    warren(&stack, &["task", "retry", ids[0], ids[1]]);
    let tasks = stack.ended("slow", 2).await;
    assert!(tasks.iter().all(|task| task.status == TaskStatus::Completed), "{tasks:?}");
    assert!(tasks.iter().all(|task| ids.contains(&task.id.to_string().as_str())), "the same rows");
    let over = stack.bare().args(["task", "retry", ids[0]]).output().unwrap();
    assert!(!over.status.success());
    assert!(String::from_utf8_lossy(&over.stderr).contains("is COMPLETED: publish another one"));
    let shown = tasks.iter().find(|task| task.id.to_string() == ids[0]).unwrap();
    first_is_lost(&stack, shown).await;
    let shown = warren(&stack, &["task", "show", ids[0]]);
    assert!(shown.contains("LOST") && shown.contains("COMPLETED"), "{shown}");
}

/// Runs a command on the stack, which has to succeed; gives what it prints.
fn warren(stack: &Stack, arguments: &[&str]) -> String {
    let output = stack.bare().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
