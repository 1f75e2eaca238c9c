//! `warren dead` on a real RabbitMQ: what is there, what is tried again, what is thrown away, and what stays.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "dead_letters/http.rs"]
mod http;
#[path = "support/process.rs"]
mod process;
#[path = "support/stack.rs"]
mod stack;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use std::process::Output;

use event_driven::{connection::ConnectionSettings, lapin::BasicProperties};
use serde_json::{Value, json};
use stack::{Stack, header, headers};
use tokio::time::Instant;
use warren::{
    dead_letters::{Action, Bounds, DeadLetters, Filter},
    lifecycle::{TaskFilter, TaskStatus, TaskSummary},
};

fn dead(stack: &Stack, arguments: &[&str]) -> Output {
    stack.bare().arg("dead").args(arguments).output().unwrap()
}

/// Runs a command that has to succeed.
fn done(stack: &Stack, arguments: &[&str]) -> String {
    let output = dead(stack, arguments);
    assert!(output.status.success(), "{}", printed(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn listed(stack: &Stack, arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&done(stack, &[&["list", "--output", "json"], arguments].concat())).unwrap()
}

/// A runtime that tries nothing twice, and three dead letters: two tasks for components that are not there, one of no form.
async fn with_three() -> (Stack, process::Process, stack::TestPublisher) {
    let stack = Stack::new().await;
    let (publisher, warren) = (stack.publisher().await, stack.start(&[("WARREN_RETRY_RETRIES", "0")]));
    publisher.task("late", &json!({ "keep": "me" }), Some("late-1")).await;
    publisher.task("never", &json!(2), None).await;
    let properties =
        BasicProperties::default().with_headers(headers(&[("producer_app", "p"), ("correlation_id", "c")]));
    publisher.raw("task.exchange", "routing.task.run.x", b"{", properties).await;
    publisher.wait_for_depth("dead.tasks", 3).await;
    (stack, warren, publisher)
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_by_reason_and_component_and_stay_where_they_are() {
    let (stack, _warren, publisher) = with_three().await;
    let all = listed(&stack, &[]);
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|letter| letter["died_at"].is_string() && letter["queue"] == "dead.tasks"), "{all:?}");
    let classes = |arguments: &[&str]| {
        let mut classes: Vec<_> =
            listed(&stack, arguments).iter().map(|letter| letter["class"].as_str().unwrap().to_owned()).collect();
        classes.sort();
        classes
    };
    publisher.wait_for_depth("dead.tasks", 3).await;
    assert_eq!(classes(&["--reason", "no_such_component"]), ["no_such_component"; 2]);
    publisher.wait_for_depth("dead.tasks", 3).await;
    assert_eq!(classes(&["--component", "late"]), ["no_such_component"]);
    publisher.wait_for_depth("dead.tasks", 3).await;
    assert_eq!(classes(&["--older-than", "1h"]), [""; 0]);
    publisher.wait_for_depth("dead.tasks", 3).await;
    assert_eq!(classes(&["--limit", "1"]).len(), 1);
    let id = all.iter().find(|letter| letter["task_name"] == "late").unwrap()["id"].as_str().unwrap();
    publisher.wait_for_depth("dead.tasks", 3).await;
    let shown: Value = serde_json::from_str(&done(&stack, &["show", &id[..8]])).unwrap();
    assert_eq!((&shown["body"]["payload"]["keep"], &shown["message_id"]), (&json!("me"), &json!("late-1")));
    let unknown = dead(&stack, &["show", "000000"]);
    assert!(!unknown.status.success() && printed(&unknown).contains("has the id 000000"), "{}", printed(&unknown));
    let unset = dead(&stack, &["discard", "", "--yes"]);
    assert!(!unset.status.success() && printed(&unset).contains("an id has 12 digits"), "{}", printed(&unset));
    publisher.wait_for_depth("dead.tasks", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_are_read_over_and_over_are_not_lost() {
    let (stack, _warren, publisher) = with_three().await;
    // As often as RabbitMQ 4 lets a message come back to a queue without a limit of its own.
    for _ in 0..22 {
        publisher.wait_for_depth("dead.tasks", 3).await;
        assert_eq!(listed(&stack, &["--queue", "dead.tasks"]).len(), 3);
    }
    for message in publisher.take("dead.tasks", 3).await {
        let returns = header(&message.properties, "x-delivery-count").unwrap_or_default();
        let returns: String = returns.chars().filter(char::is_ascii_digit).collect();
        assert!(returns.parse().is_ok_and(|count: u32| count < 20), "{returns}: it was not put there anew");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_ends_with_its_time_and_its_number_and_says_how_many_are_left() {
    let (stack, _warren, publisher) = with_three().await;
    let settings =
        ConnectionSettings { address: stack.vhost.address(), name: "test".into(), timeout: process::PATIENCE };
    let dead_letters = DeadLetters::open(&settings).await.unwrap();
    let queues = ["dead.tasks".to_owned()];
    let walk = async |letters, until| {
        let (bounds, filter) = (Bounds { letters, until }, Filter::default());
        let walked = dead_letters.walk(&queues, &filter, bounds, Action::Discard, |_, _, _| {}).await.unwrap();
        (walked.letters.len(), walked.not_looked_at)
    };
    assert_eq!(walk(10, Some(Instant::now())).await, (0, 3));
    publisher.wait_for_depth("dead.tasks", 3).await;
    assert_eq!(walk(2, None).await, (2, 1));
    assert_eq!(walk(2, None).await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_tried_again_as_if_for_the_first_time() {
    let (stack, _warren, publisher) = with_three().await;
    stack.add_component("late", &std::fs::read(stack.components.path().join("echo.wasm")).unwrap());
    let told = done(&stack, &["retry", "--component", "late", "--yes"]);
    assert!(told.contains("1 dead letters were tried again"), "{told}");
    let filter = TaskFilter { task_name: Some("late".into()), ..TaskFilter::default() };
    let is_done = |task: &TaskSummary| task.status == TaskStatus::Completed;
    let tasks = stack.wait_for_tasks(&filter, |tasks| tasks.iter().all(is_done)).await;
    assert_eq!((tasks.len(), tasks[0].attempt, tasks[0].routing_key.as_deref()), (1, 0, Some("routing.task.run.test")));
    publisher.wait_for_depth("dead.tasks", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_thrown_away_unasked_and_what_is_not_ours_stays() {
    let (stack, _warren, publisher) = with_three().await;
    publisher.raw("", "dead.tasks", b"somebody else's", BasicProperties::default()).await;
    let unasked = dead(&stack, &["discard"]);
    assert!(!unasked.status.success() && printed(&unasked).contains("nobody is there to ask"), "{}", printed(&unasked));
    publisher.wait_for_depth("dead.tasks", 4).await;
    assert!(done(&stack, &["list"]).contains("foreign"));
    let discarded = dead(&stack, &["discard", "--yes"]);
    assert!(discarded.status.success(), "{}", printed(&discarded));
    assert!(printed(&discarded).contains("3 dead letters were thrown away"), "{}", printed(&discarded));
    assert!(
        printed(&discarded).contains("1 messages that nothing tells the origin of stay"),
        "{}",
        printed(&discarded)
    );
    assert_eq!(publisher.take("dead.tasks", 1).await[0].data, b"somebody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_queue_is_gone_stays_and_says_so() {
    let stack = Stack::new().await;
    let (publisher, _warren) = (stack.publisher().await, stack.start(&[]));
    let queue = "dead.event.create.user.to.billing";
    publisher.declare(queue).await;
    publisher
        .raw("", queue, b"{}", BasicProperties::default().with_headers(headers(&[("x-error", "technical: away")])))
        .await;
    let retried = dead(&stack, &["retry", "--queue", queue, "--yes"]);
    assert_eq!(retried.status.code(), Some(1), "{}", printed(&retried));
    assert!(printed(&retried).contains("stays in dead.event.create.user.to.billing"), "{}", printed(&retried));
    publisher.wait_for_depth(queue, 1).await;
    let none = dead(&stack, &["list", "--queue", "dead.task.gone.away"]);
    assert!(printed(&none).contains("there is no queue dead.task.gone.away"), "{}", printed(&none));
    let other = dead(&stack, &["list", "--queue", "tasks"]);
    assert!(printed(&other).contains("tasks is no queue of dead letters"), "{}", printed(&other));
}
