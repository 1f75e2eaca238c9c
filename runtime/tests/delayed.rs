//! Tasks that are to be executed later, asked for by a foreign publisher with `x-delay-ms` and `x-run-at`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/process.rs"]
mod process;
#[path = "support/stack.rs"]
mod stack;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use event_driven::lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use stack::{Stack, TestPublisher, header};
use warren::lifecycle::{AttemptOutcome, TaskFilter, TaskStatus, TaskSummary};

async fn publish(publisher: &TestPublisher, header: (&str, AMQPValue), message_id: Option<&str>) {
    let mut headers = FieldTable::default();
    for (name, value) in [("producer_app", "test"), ("correlation_id", "c-1")] {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    headers.insert(header.0.into(), header.1);
    let properties = BasicProperties::default().with_headers(headers);
    let properties = match message_id {
        Some(id) => properties.with_message_id(id.into()),
        None => properties,
    };
    let body = json!({ "task_name": "echo", "payload": { "n": 1 } }).to_string();
    publisher.raw("task.exchange", "routing.task.run.echo", body.as_bytes(), properties).await;
}

fn delay(ms: i64) -> (&'static str, AMQPValue) {
    ("x-delay-ms", AMQPValue::LongLongInt(ms))
}

fn run_at(time: DateTime<Utc>) -> (&'static str, AMQPValue) {
    ("x-run-at", AMQPValue::LongString(time.to_rfc3339_opts(SecondsFormat::Millis, true).into()))
}

/// For as long as a test lasts.
const HOUR_MS: i64 = 3_600_000;

async fn waiting(stack: &Stack, count: usize) -> Vec<TaskSummary> {
    let filter = TaskFilter { status: Some(TaskStatus::Pending), ..TaskFilter::default() };
    stack.wait_for_tasks(&filter, |tasks| tasks.len() == count).await
}

fn warren(stack: &Stack, arguments: &[&str]) -> String {
    let output = stack.bare().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_executed_when_its_time_has_come_and_not_before() {
    let stack = Stack::new().await;
    let (publisher, _warren) = (stack.publisher().await, stack.start(&[]));
    let in_an_hour = stack.database.clock().now() + TimeDelta::milliseconds(HOUR_MS);
    publish(&publisher, delay(HOUR_MS), Some("with-an-id")).await;
    publish(&publisher, delay(HOUR_MS), None).await;
    publish(&publisher, run_at(in_an_hour), None).await;
    let accepted = waiting(&stack, 3).await;
    assert!(accepted.iter().all(|task| task.started_at.is_none()), "{accepted:?}");
    for task in &accepted {
        let shown = warren(&stack, &["task", "show", &task.id.to_string(), "--output", "json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let due_at: DateTime<Utc> = shown["due_at"].as_str().unwrap().parse().unwrap();
        // The same clock, measured by two processes.
        assert!(due_at >= in_an_hour - TimeDelta::minutes(1), "{shown}");
    }

    // Those are executed while the others wait.
    let published = stack.database.clock().now();
    publish(&publisher, delay(3_000), None).await;
    publish(&publisher, run_at(published + TimeDelta::seconds(3)), None).await;
    let completed = TaskFilter { status: Some(TaskStatus::Completed), ..TaskFilter::default() };
    for task in stack.wait_for_tasks(&completed, |tasks| tasks.len() == 2).await {
        let waited = task.started_at.unwrap() - published;
        assert!(waited >= TimeDelta::seconds(2), "{waited}");
        assert_eq!(task.attempt, 0);
        assert!(accepted.iter().all(|other| other.id != task.id), "{task:?}");
    }
    assert_eq!(stack.database.list_tasks(&TaskFilter::default(), 10, None).await.unwrap().len(), 5, "one row each");
    assert!(waiting(&stack, 3).await.iter().all(|task| task.started_at.is_none()));
    assert_eq!(publisher.depth("tasks").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_survives_its_runtime_and_is_executed_once_by_one_of_the_others() {
    let stack = Stack::new().await;
    let (publisher, first) = (stack.publisher().await, stack.start(&[]));
    let ids: Vec<_> = (0..500).map(|n| format!("m-{n}")).collect();
    join_all(ids.iter().map(|id| publish(&publisher, delay(HOUR_MS), Some(id)))).await;
    waiting(&stack, 500).await;
    first.signal("KILL");
    drop(first);
    let _both = (stack.start(&[]), stack.start(&[]));
    // Their time has come, for all at once, and for both.
    let due = "UPDATE delayed_task SET due_at = clock_timestamp()";
    assert_eq!(stack.database.connection().execute_unprepared(due).await.unwrap().rows_affected(), 500);
    for task in stack.ended("echo", 500).await {
        let attempts = stack.database.attempts_of(task.id).await.unwrap();
        let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt.outcome).collect();
        assert_eq!(outcomes, [AttemptOutcome::Completed], "{task:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_cancelled_or_executed_at_once_on_request() {
    let stack = Stack::new().await;
    let (publisher, _warren) = (stack.publisher().await, stack.start(&[]));
    for id in ["cancelled", "now"] {
        publish(&publisher, delay(HOUR_MS), Some(id)).await;
        publish(&publisher, delay(HOUR_MS), Some(id)).await;
    }
    let tasks = waiting(&stack, 2).await;
    let id = |message_id: &str| {
        tasks.iter().find(|task| task.message_id.as_deref() == Some(message_id)).unwrap().id.to_string()
    };
    assert!(warren(&stack, &["task", "cancel", &id("cancelled")]).contains("is CANCELLED"));
    warren(&stack, &["task", "retry", &id("now")]);
    let ended = stack.ended("echo", 2).await;
    let status = |message_id: &str| {
        ended.iter().find(|task| task.message_id.as_deref() == Some(message_id)).map(|task| task.status)
    };
    assert_eq!((status("cancelled"), status("now")), (Some(TaskStatus::Cancelled), Some(TaskStatus::Completed)));
    assert_eq!(stack.database.next_due().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_that_is_none_is_refused_with_the_reason() {
    let stack = Stack::new().await;
    let (publisher, _warren) = (stack.publisher().await, stack.start(&[]));
    let hundred_years_ms = 100 * 365 * 24 * 3_600 * 1_000;
    let at = |text: &str| ("x-run-at", AMQPValue::LongString(text.into()));
    let wrong = [
        (delay(-1), "not -1"),
        (delay(hundred_years_ms), "(30 days), not 3153600000000"),
        (("x-delay-ms", AMQPValue::Double(1e99)), "not of AMQP type Double"),
        (at("tomorrow"), "not \"tomorrow\""),
        (at("2999-01-01T00:00:00Z"), "is more than 30 days ahead"),
    ];
    for (header, _) in wrong.clone() {
        publish(&publisher, header, None).await;
    }
    let dead = publisher.take("dead.tasks", wrong.len()).await;
    let reasons: Vec<_> = dead.iter().map(|message| header(&message.properties, "x-error").unwrap()).collect();
    for (_, told) in wrong {
        assert!(
            reasons.iter().any(|reason| reason.starts_with("malformed: ") && reason.contains(told)),
            "{told} {reasons:?}"
        );
    }
    let filter = TaskFilter { status: Some(TaskStatus::Failed), ..TaskFilter::default() };
    stack.wait_for_tasks(&filter, |tasks| tasks.len() == reasons.len()).await;
}
