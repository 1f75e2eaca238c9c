//! What anybody may publish, all of it to one warren: each message ends where the contract says, nothing panics, and a
//! good task after all of them is done.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]
#![allow(clippy::cast_possible_truncation, reason = "a test may cut")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/database.rs"]
mod database;
#[path = "support/process.rs"]
mod process;
#[path = "support/broker_raw.rs"]
mod raw;
#[path = "support/stack.rs"]
mod stack;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

mod bad_input {
    pub mod events;
    pub mod tasks;
    pub mod values;
}

use std::{collections::BTreeMap, time::Duration};

use bad_input::{events, tasks};
use event_driven::lapin::{BasicProperties, message::BasicGetMessage};
use process::{PATIENCE, Process};
use raw::{Raw, short};
use serde_json::json;
use stack::{Stack, header};
use tokio::time::{Instant, sleep};
use warren::lifecycle::{EventFilter, TaskFilter, TaskStatus, TaskSummary};

/// The largest body that this warren takes.
const MAX_BODY: usize = 64 * 1024;

/// One message, and where it has to end.
pub struct Case {
    /// The end of its routing key, by which its row and its dead letter are found.
    name: String,
    properties: BasicProperties,
    body: Vec<u8>,
    end: End,
}

/// Where a message has to end.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// Done, or stored: acked.
    Good,
    /// In the dead-letter queue, with an error that begins so and has this in it. A task has a row that says the same.
    Dead(&'static str, &'static str),
}

/// Breaks the contract.
pub const fn malformed(what: &'static str) -> End {
    End::Dead("malformed: ", what)
}

fn start(stack: &Stack) -> Process {
    stack.start(&[("WARREN_BROKER_MAX_BODY", "64KiB"), ("WARREN_LOG_FILTER", "info,warren=debug,lapin=off")])
}

/// Dead letters by the routing key that they were published with.
fn by_key(letters: Vec<BasicGetMessage>) -> BTreeMap<String, String> {
    let key =
        |letter: &BasicGetMessage| header(&letter.properties, "x-routing-key").expect("a dead letter tells its key");
    let error =
        |letter: &BasicGetMessage| header(&letter.properties, "x-error").expect("a dead letter tells its error");
    letters.iter().map(|letter| (key(letter), error(letter))).collect()
}

fn dead(cases: &[Case]) -> usize {
    cases.iter().filter(|case| matches!(case.end, End::Dead(..))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_ends_where_the_contract_says() {
    let stack = Stack::new().await;
    let mut warren = start(&stack);
    let publisher = stack.publisher().await;
    let cases = tasks::all();
    for case in &cases {
        publisher.raw("task.exchange", &tasks::key(&case.name), &case.body, case.properties.clone()).await;
    }
    let ended = |tasks: &[TaskSummary]| tasks.len() == cases.len() && tasks.iter().all(|task| task.status.is_final());
    let rows = stack.wait_for_tasks(&TaskFilter::default(), ended).await;
    let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.routing_key.clone().unwrap(), row)).collect();
    let letters = by_key(publisher.take("dead.tasks", dead(&cases)).await);
    for case in &cases {
        let (name, key) = (&case.name, tasks::key(&case.name));
        let row = rows.get(&key).unwrap_or_else(|| panic!("{name} has no row"));
        match case.end {
            End::Good => {
                assert_eq!((row.status, &row.error), (TaskStatus::Completed, &None), "{name}");
                assert_eq!(letters.get(&key), None, "{name}");
            }
            End::Dead(class, what) => {
                let error = row.error.as_deref().unwrap_or_default();
                assert_eq!(row.status, TaskStatus::Failed, "{name}");
                assert!(error.starts_with(class) && error.contains(what), "{name}: {error}");
                assert_eq!(letters.get(&key).map(String::as_str), Some(error), "{name}");
            }
        }
    }
    publisher.task("echo", &json!("after all of them"), Some("last")).await;
    stack.wait_for_tasks(&TaskFilter::default(), |tasks| tasks.iter().any(completed_last)).await;
    stop(&mut warren);
    for queue in ["tasks", "attempt.0.tasks", "attempt.1.tasks", "attempt.2.tasks", "dead.tasks"] {
        assert_eq!(publisher.depth(queue).await, 0, "{queue}");
    }
}

fn completed_last(task: &TaskSummary) -> bool {
    task.message_id.as_deref() == Some("last") && task.status == TaskStatus::Completed
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_stored_or_kept_with_the_reason() {
    let stack = Stack::new().await;
    let mut warren = start(&stack);
    let publisher = stack.publisher().await;
    let cases = events::all();
    for case in &cases {
        publisher.raw("event.exchange", &events::key(&case.name), &case.body, case.properties.clone()).await;
    }
    let letters = by_key(publisher.take("dead.event.store", dead(&cases)).await);
    let deadline = Instant::now() + PATIENCE;
    for case in &cases {
        let (name, key) = (&case.name, events::key(&case.name));
        match case.end {
            End::Good => {
                assert_eq!(letters.get(&key), None, "{name}");
                while !stored(&stack, &key).await {
                    assert!(Instant::now() < deadline, "{name} is not stored");
                    // Another process stores it.
                    sleep(Duration::from_millis(20)).await;
                }
            }
            End::Dead(class, what) => {
                let error = letters.get(&key).unwrap_or_else(|| panic!("{name} is not dead-lettered"));
                assert!(error.starts_with(class) && error.contains(what), "{name}: {error}");
                assert_eq!(stored(&stack, &key).await, class == "unstorable: ", "{name}");
            }
        }
    }
    stop(&mut warren);
    for queue in ["event.store", "dead.event.store"] {
        assert_eq!(publisher.depth(queue).await, 0, "{queue}");
    }
}

async fn stored(stack: &Stack, key: &str) -> bool {
    let events = stack.database.list_events(&EventFilter::default(), 1_000, None).await.unwrap();
    events.iter().any(|event| event.routing_key == key)
}

/// What no client library would send: properties that are no UTF-8.
#[tokio::test(flavor = "multi_thread")]
async fn properties_that_are_no_text_do_not_end_the_connection() {
    let stack = Stack::new().await;
    let mut warren = start(&stack);
    // correlation_id and app_id.
    let properties = [&[0x04, 0x08][..], &short(b"c-\xff"), &short(b"shop\xc3")].concat();
    let server = Raw::connect(&stack.vhost);
    let publishing = tokio::task::spawn_blocking(move || {
        let mut raw = server;
        raw.publish_task(b"routing.\xff\xfe", &properties, br#"{"task_name": "echo", "payload": 1}"#);
        raw.publish_task(b"routing.task.ok", &properties, b"\xff");
    });
    publishing.await.unwrap();
    let ended = |tasks: &[TaskSummary]| tasks.len() == 2 && tasks.iter().all(|task| task.status.is_final());
    stack.wait_for_tasks(&TaskFilter::default(), ended).await;
    let publisher = stack.publisher().await;
    publisher.take("dead.tasks", 1).await;
    stop(&mut warren);
    assert_eq!(publisher.depth("tasks").await, 0);
}

/// It goes on to its end, and has not panicked anywhere.
fn stop(warren: &mut Process) {
    warren.signal("TERM");
    assert!(warren.wait().success());
    assert!(!warren.log().contains("panicked"), "{}", warren.log());
}
