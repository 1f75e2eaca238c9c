//! Classes of tasks: what is high does not wait behind a backlog, what is low is executed all the same.

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

use event_driven::lapin::BasicProperties;
use guest::{answer, guest};
use serde_json::json;
use stack::{Stack, TestPublisher, header, headers};
use warren::lifecycle::{AttemptOutcome, TaskFilter, TaskStatus, TaskSummary};

const OF_ALL: &str = "routing.task.run.echo";

async fn publish(publisher: &TestPublisher, key: &str, class: Option<&str>, count: usize) {
    for n in 0..count {
        let mut all = vec![("producer_app", "test"), ("correlation_id", class.unwrap_or("none"))];
        all.extend(class.map(|class| ("x-priority", class)));
        let properties = BasicProperties::default()
            .with_headers(headers(&all))
            .with_message_id(format!("{}-{n}", class.unwrap_or("none")).into());
        let body = json!({ "task_name": "echo", "payload": n }).to_string();
        publisher.raw("task.exchange", key, body.as_bytes(), properties).await;
    }
}

/// A component that computes for some milliseconds: its place is what is scarce, and not the broker.
fn working() -> Vec<u8> {
    let count = "(local $n i32) (local.set $n (i32.const 10000000)) \
                 (loop $more (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))";
    guest(&format!("{count} (i32.store (i32.const 64) (i32.const 49)) {}", answer(64, 1)))
}

/// A stack whose queues are there and have no consumer.
async fn with_queues() -> (Stack, TestPublisher) {
    let stack = Stack::new().await;
    let output = stack.bare().args(["topology", "apply"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let publisher = stack.publisher().await;
    (stack, publisher)
}

/// The classes of these tasks, in the order in which they were begun.
fn order(mut tasks: Vec<TaskSummary>) -> Vec<String> {
    tasks.sort_by_key(|task| task.started_at);
    tasks.into_iter().filter_map(|task| task.correlation_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_class_has_its_part_of_what_is_done_while_all_have_a_backlog() {
    let (stack, publisher) = with_queues().await;
    stack.add_component("echo", &working());
    publish(&publisher, OF_ALL, None, 200).await;
    publish(&publisher, "routing.tasks.priority.low", Some("low"), 40).await;
    publish(&publisher, "routing.tasks.priority.high", Some("high"), 100).await;
    // Whether it is all components or this one that has a single place.
    let _warren = stack.start(&[("WARREN_SANDBOX_CONCURRENCY", "4"), ("WARREN_LIMITS_CONCURRENCY", "1")]);
    let tasks = stack.ended("echo", 340).await;
    assert!(tasks.iter().all(|task| task.status == TaskStatus::Completed), "{tasks:?}");
    let order = order(tasks);
    let of = |class: &str, within: &[String]| within.iter().filter(|of| *of == class).count();
    let (before, after) = order.split_at(order.iter().rposition(|of| of == "high").unwrap());
    // 16 of 21 are high, if RabbitMQ delivers as fast as it is executed: at least half of all.
    assert!(before.len() < 200, "the last high one is number {}: {order:?}", before.len());
    assert!(of("low", before) >= 1 && of("none", before) >= 4, "the others are among them: {order:?}");
    let next = after.get(..40).unwrap();
    assert!(of("none", next) > 2 * of("low", next), "then four of five are normal: {order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_says_its_class_is_moved_to_the_queue_of_that() {
    let (stack, publisher) = with_queues().await;
    publish(&publisher, OF_ALL, Some("low"), 20).await;
    publish(&publisher, OF_ALL, Some("high"), 20).await;
    publish(&publisher, OF_ALL, Some("normal"), 20).await;
    let _warren = stack.start(&[]);
    for task in stack.ended("echo", 60).await {
        assert_eq!((task.status, task.routing_key.as_deref()), (TaskStatus::Completed, Some(OF_ALL)));
        let attempts = stack.database.attempts_of(task.id).await.unwrap();
        assert_eq!(attempts.iter().map(|attempt| attempt.outcome).collect::<Vec<_>>(), [AttemptOutcome::Completed]);
    }
    for queue in ["tasks", "tasks.priority.high", "tasks.priority.low"] {
        publisher.wait_for_depth(queue, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_stays_in_its_class() {
    let stack = Stack::new().await;
    stack.add_component("echo", &guest("(unreachable)"));
    // Who declares the queues says how long a retry waits in them.
    let warren = stack.start(&[("WARREN_RETRY_DELAY", "1h"), ("WARREN_RETRY_RETRIES", "1")]);
    let publisher = stack.publisher().await;
    publish(&publisher, "routing.tasks.priority.high", Some("high"), 1).await;
    publisher.wait_for_depth("attempt.0.tasks.priority.high", 1).await;
    drop(warren);
    assert_eq!(publisher.depth("attempt.0.tasks").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_is_none_is_refused_with_the_reason() {
    let (stack, publisher) = with_queues().await;
    let _warren = stack.start(&[]);
    publish(&publisher, OF_ALL, Some("urgent"), 1).await;
    let dead = publisher.take("dead.tasks", 1).await;
    assert_eq!(
        header(&dead[0].properties, "x-error").unwrap(),
        "malformed: header x-priority must be high, normal or low, not \"urgent\""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_http_ask_for_a_class() {
    let (stack, _publisher) = with_queues().await;
    let warren = stack.start(&[]);
    let run = |command: &mut std::process::Command, more: &[&str]| {
        let arguments = ["task", "publish", "echo", "--payload", "1", "--wait"];
        let output = command.args(arguments).args(more).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let over_http = || {
        let mut command = stack.bare();
        command.env_remove("RABBITMQ_URL").env("WARREN_URL", &warren.url);
        command
    };
    for (mut command, class) in [(stack.bare(), "high"), (over_http(), "low")] {
        let (code, told) = run(&mut command, &["--priority", class]);
        assert_eq!(code, Some(0), "{told}");
    }
    let mut keys: Vec<_> = stack.ended("echo", 2).await.into_iter().filter_map(|task| task.routing_key).collect();
    keys.sort();
    assert_eq!(keys, ["routing.tasks.priority.high", "routing.tasks.priority.low"]);
    let (code, told) = run(&mut stack.bare(), &["--priority", "urgent"]);
    assert!(code == Some(2) && told.contains("must be high, normal or low, not \"urgent\""), "{told}");
}

/// A publisher's filter for what follows.
fn of(correlation_id: &str) -> TaskFilter {
    TaskFilter { correlation_id: Some(correlation_id.to_owned()), ..TaskFilter::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_task_keeps_its_class() {
    let (stack, publisher) = with_queues().await;
    let _warren = stack.start(&[]);
    let all = headers(&[
        ("producer_app", "test"),
        ("correlation_id", "late"),
        ("x-priority", "low"),
        ("x-delay-ms", "3600000"),
    ]);
    let properties = BasicProperties::default().with_headers(all).with_message_id("late".into());
    let body = json!({ "task_name": "echo", "payload": 1 }).to_string();
    publisher.raw("task.exchange", OF_ALL, body.as_bytes(), properties).await;
    let waiting = stack.wait_for_tasks(&of("late"), |tasks| tasks.len() == 1).await;
    let kept = stack.database.delayed(&[waiting[0].id]).await.unwrap();
    assert_eq!(kept[0].priority.as_deref(), Some("low"));
    assert!(stack.database.hasten(waiting[0].id).await.unwrap());
    let done = stack.ended("echo", 1).await;
    assert_eq!((done[0].status, done[0].routing_key.as_deref()), (TaskStatus::Completed, Some(OF_ALL)));
}
