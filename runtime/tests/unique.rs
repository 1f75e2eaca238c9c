//! `x-unique-for`: of several tasks of one kind, one is executed until its time is over.

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

use std::time::Duration;

use event_driven::lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use guest::guest;
use stack::{Stack, TestPublisher, header};
use warren::lifecycle::{AttemptOutcome, TaskStatus, TaskSummary};

const HOUR_MS: i64 = 3_600_000;

struct Asked<'a> {
    unique_for: AMQPValue,
    payload: &'a str,
    message_id: Option<&'a str>,
    reply_to: Option<&'a str>,
}

fn asked(payload: &str) -> Asked<'_> {
    Asked { unique_for: AMQPValue::LongLongInt(HOUR_MS), payload, message_id: None, reply_to: None }
}

async fn publish(publisher: &TestPublisher, asked: Asked<'_>) {
    let mut headers = FieldTable::default();
    for (name, value) in [("producer_app", "test"), ("correlation_id", "c-1")] {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    headers.insert("x-unique-for".into(), asked.unique_for);
    let mut properties = BasicProperties::default().with_headers(headers);
    if let Some(id) = asked.message_id {
        properties = properties.with_message_id(id.into());
    }
    if let Some(queue) = asked.reply_to {
        properties = properties.with_reply_to(queue.into());
    }
    let body = format!(r#"{{"task_name":"echo","payload":{}}}"#, asked.payload);
    publisher.raw("task.exchange", "routing.task.run.echo", body.as_bytes(), properties).await;
}

fn with(status: TaskStatus, tasks: &[TaskSummary]) -> Vec<&TaskSummary> {
    tasks.iter().filter(|task| task.status == status).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_kind_is_executed_and_the_others_are_cancelled_and_answered() {
    let stack = Stack::new().await;
    let publisher = stack.publisher().await;
    let _both = (stack.start(&[]), stack.start(&[]));
    publisher.declare("answers").await;
    for n in 0..40 {
        // One without an id that the broker gives to another consumer before it is settled is taken for the only one itself.
        let id = format!("m-{n}");
        let (message_id, reply_to) = (Some(id.as_str()), Some("answers"));
        publish(&publisher, Asked { message_id, reply_to, ..asked(r#"{"b":1}"#) }).await;
    }
    publish(&publisher, asked(r#"{"a":1}"#)).await;
    let tasks = stack.ended("echo", 41).await;
    let (done, cancelled) = (with(TaskStatus::Completed, &tasks), with(TaskStatus::Cancelled, &tasks));
    assert_eq!((done.len(), cancelled.len()), (2, 39), "{tasks:?}");
    for task in cancelled {
        let error = task.error.as_deref().unwrap();
        assert!(error.starts_with("duplicate: task ") && error.contains("is the only one until 20"), "{error}");
        assert!(done.iter().any(|only| error.contains(&only.id.to_string())), "{error}");
        assert_eq!(stack.database.attempts_of(task.id).await.unwrap().len(), 0);
    }
    let answers = publisher.take("answers", 40).await;
    let statuses: Vec<_> = answers
        .iter()
        .map(|answer| header(&answer.properties, event_driven::message::STATUS_HEADER).unwrap())
        .collect();
    assert_eq!(statuses.iter().filter(|status| *status == "COMPLETED").count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| *status == "CANCELLED").count(), 39, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_time_is_over_the_next_one_is_executed() {
    let stack = Stack::new().await;
    let (publisher, _warren) = (stack.publisher().await, stack.start(&[]));
    let short = || Asked { unique_for: AMQPValue::LongString("1".into()), ..asked("1") };
    publish(&publisher, short()).await;
    stack.ended("echo", 1).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    publish(&publisher, short()).await;
    let tasks = stack.ended("echo", 2).await;
    assert_eq!(with(TaskStatus::Completed, &tasks).len(), 2, "{tasks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_again_is_no_other_one() {
    let stack = Stack::new().await;
    let output = stack.bare().args(["topology", "apply"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let publisher = stack.publisher().await;
    publish(&publisher, Asked { message_id: Some("m"), ..asked("1") }).await;
    publish(&publisher, asked("2")).await;
    // As a runtime that dies with both.
    publisher.give_back("tasks", 2).await;
    let _warren = stack.start(&[]);
    for task in stack.ended("echo", 2).await {
        assert_eq!(task.status, TaskStatus::Completed, "{task:?}");
        let attempts = stack.database.attempts_of(task.id).await.unwrap();
        assert_eq!(attempts.iter().map(|attempt| attempt.outcome).collect::<Vec<_>>(), [AttemptOutcome::Completed]);
    }
    // The same message once more is a copy, and none of its kind beside it.
    publish(&publisher, Asked { message_id: Some("m"), ..asked("1") }).await;
    publisher.wait_for_depth("tasks", 0).await;
    let tasks = stack.ended("echo", 2).await;
    assert_eq!(with(TaskStatus::Completed, &tasks).len(), 2);
}

/// What was given an id has it in its message from then on: each attempt is one of the same task.
#[tokio::test(flavor = "multi_thread")]
async fn one_without_an_id_that_fails_is_tried_again_as_the_same_task() {
    let stack = Stack::new().await;
    stack.add_component("echo", &guest("(unreachable)"));
    let (publisher, _warren) = (stack.publisher().await, stack.start(&[]));
    publish(&publisher, asked("1")).await;
    let dead = publisher.take("dead.tasks", 1).await;
    assert!(dead[0].properties.message_id().is_some() && header(&dead[0].properties, "x-unique-for").is_none());
    let tasks = stack.ended("echo", 1).await;
    assert_eq!(tasks[0].status, TaskStatus::Failed);
    assert_eq!(stack.database.attempts_of(tasks[0].id).await.unwrap().len(), 4);
    publish(&publisher, asked("1")).await;
    let tasks = stack.ended("echo", 2).await;
    assert_eq!(with(TaskStatus::Cancelled, &tasks).len(), 1, "its time goes on: {tasks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_none_is_refused_with_the_reason() {
    let stack = Stack::new().await;
    let (publisher, _warren) = (stack.publisher().await, stack.start(&[]));
    let wrong = [
        (AMQPValue::LongLongInt(-1), "not -1"),
        (AMQPValue::LongLongInt(i64::MAX), "not 9223372036854775807"),
        (AMQPValue::LongString("1h".into()), "not \"1h\""),
    ];
    for (unique_for, _) in wrong.clone() {
        publish(&publisher, Asked { unique_for, ..asked("1") }).await;
    }
    let dead = publisher.take("dead.tasks", wrong.len()).await;
    let reasons: Vec<_> = dead.iter().map(|message| header(&message.properties, "x-error").unwrap()).collect();
    for (_, told) in wrong {
        let right = |reason: &String| reason.starts_with("malformed: header x-unique-for ") && reason.contains(told);
        assert!(reasons.iter().any(right), "{told} {reasons:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_http_ask_for_it() {
    let stack = Stack::new().await;
    let warren = stack.start(&[]);
    let run = |command: &mut std::process::Command, unique_for: &str| {
        let arguments = ["task", "publish", "echo", "--payload", "[]", "--wait", "--unique-for", unique_for];
        let output = command.args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let mut over_http = stack.bare();
    over_http.env_remove("RABBITMQ_URL").env("WARREN_URL", &warren.url);
    assert_eq!(run(&mut stack.bare(), "1h").0, Some(0));
    let (code, told) = run(&mut over_http, "1h");
    assert!(code == Some(1) && told.contains("CANCELLED") && told.contains("duplicate: task "), "{told}");
    let (code, told) = run(&mut stack.bare(), "31d");
    assert!(code == Some(2) && told.contains("at most 30 days"), "{told}");
}
