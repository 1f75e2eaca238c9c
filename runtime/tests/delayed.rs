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

use chrono::{SecondsFormat, TimeDelta, Utc};
use event_driven::lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
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
    let run_at = (Utc::now() + TimeDelta::seconds(2)).to_rfc3339_opts(SecondsFormat::Millis, true);
    publish(&publisher, delay(2_000), Some("with-an-id")).await;
    publish(&publisher, delay(2_000), None).await;
    publish(&publisher, ("x-run-at", AMQPValue::LongString(run_at.into())), None).await;
    let accepted = waiting(&stack, 3).await;
    assert!(accepted.iter().all(|task| task.started_at.is_none()), "{accepted:?}");
    let shown: Value =
        serde_json::from_str(&warren(&stack, &["task", "show", &accepted[0].id.to_string(), "--output", "json"]))
            .unwrap();
    assert!(shown["due_at"].is_string(), "{shown}");
    let tasks = stack.ended("echo", 3).await;
    for task in &tasks {
        let waited = task.started_at.unwrap() - task.created_at;
        // `x-run-at` counts from before it was published, by another clock.
        assert!(waited >= TimeDelta::milliseconds(1_000), "{waited}");
        assert_eq!((task.status, task.attempt), (TaskStatus::Completed, 0));
        assert!(accepted.iter().any(|before| before.id == task.id), "the same rows");
    }
    // The row is made a moment after the message has come.
    let after_two_seconds =
        |task: &&TaskSummary| task.started_at.unwrap() - task.created_at >= TimeDelta::milliseconds(1_900);
    assert!(tasks.iter().filter(after_two_seconds).count() >= 2, "{tasks:?}");
    assert_eq!(publisher.depth("tasks").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_survives_its_runtime_and_is_executed_once_by_one_of_the_others() {
    let stack = Stack::new().await;
    let (publisher, first) = (stack.publisher().await, stack.start(&[]));
    for n in 0..500 {
        publish(&publisher, delay(3_000), Some(&format!("m-{n}"))).await;
    }
    waiting(&stack, 500).await;
    first.signal("KILL");
    drop(first);
    let _both = (stack.start(&[]), stack.start(&[]));
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
        publish(&publisher, delay(3_600_000), Some(id)).await;
        publish(&publisher, delay(3_600_000), Some(id)).await;
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
    let run_at = |text: &str| ("x-run-at", AMQPValue::LongString(text.into()));
    let wrong = [
        (delay(-1), "not -1"),
        (delay(hundred_years_ms), "(30 days), not 3153600000000"),
        (("x-delay-ms", AMQPValue::Double(1e99)), "not of AMQP type Double"),
        (run_at("tomorrow"), "not \"tomorrow\""),
        (run_at("2999-01-01T00:00:00Z"), "is more than 30 days ahead"),
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
