//! What guests write and use, as people see it: `warren task logs`, `warren task show`, and the runtime's own log.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/guest.rs"]
mod guest;
#[path = "support/process.rs"]
mod process;
#[path = "support/stack.rs"]
mod stack;
#[path = "support/talker.rs"]
mod talker;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use process::{PATIENCE, Process, warren};
use serde_json::{Value, json};
use stack::{ALIVE, Stack, UNLIMITED};
use talker::talker;
use tempfile::TempDir;
use warren::lifecycle::{TaskFilter, TaskStatus};

/// `warren dev` with two guests that write.
fn dev(filter: &str) -> (TempDir, Process) {
    let folder = tempfile::tempdir().unwrap();
    let components = folder.path().join("components");
    fs::create_dir(&components).unwrap();
    fs::write(components.join("talker.wasm"), talker(1)).unwrap();
    fs::write(components.join("chatterer.wasm"), talker(5_000)).unwrap();
    let mut command = warren();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    command.arg("dev").current_dir(folder.path()).env("WARREN_COMPONENTS_CACHE", cache);
    command.env("WARREN_LOG_FILTER", filter).env("WARREN_LIMITS_TIMEOUT", "10min");
    let running = Process::start(command);
    (folder, running)
}

fn beside(running: &Process) -> impl Fn() -> Command {
    let url = running.url.clone();
    move || {
        let mut command = warren();
        command.env("WARREN_URL", &url).current_dir(env!("CARGO_TARGET_TMPDIR"));
        command
    }
}

/// What it prints.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Asks for a task; gives its id.
fn publish(base: &impl Fn() -> Command, name: &str, ms: u32, wait: bool) -> String {
    let mut command = base();
    command.args(["task", "publish", name, "--output", "json", "--payload", &ms.to_string()]);
    let task: Value = serde_json::from_str(&said(command.args(wait.then_some("--wait")))).unwrap();
    task["id_task"].as_str().unwrap().to_owned()
}

fn logs(base: &impl Fn() -> Command, id: &str, more: &[&str]) -> String {
    said(base().args(["task", "logs", id]).args(more))
}

#[test]
fn what_a_guest_wrote_is_shown_with_its_attempt() {
    let (_folder, running) = dev("info,warren::guest=debug");
    let base = beside(&running);
    let id = publish(&base, "talker", 0, true);
    let printed = logs(&base, &id, &[]);
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].starts_with("== attempt 0  COMPLETED  20"), "{printed}");
    assert_eq!(lines[1..], ["begun", "done"]);
    let read: Value = serde_json::from_str(&logs(&base, &id, &["--attempt", "0", "--output", "json"])).unwrap();
    assert_eq!((&read["status"], &read["attempts"][0]["log"]), (&json!("COMPLETED"), &json!("begun\ndone\n")));
    assert_eq!(logs(&base, &id, &["--attempt", "1"]), "");
    // The receipt is there, and the end of the text.
    let shown = said(base().args(["task", "show", &id]));
    assert!(shown.contains("payload 1 B, result 6 B, log 11 B") && shown.contains("| begun\n"), "{shown}");
    // Asked for, it is in the runtime's own log, and nothing else of that level.
    let line = running.wait_for_line("begun");
    assert!(line.contains(&format!("task.id={id}")) && line.contains("task.name=\"talker\""), "{line}");
    assert!(!running.log().contains("executing"), "{}", running.log());

    let nobody = "00000000-0000-0000-0000-000000000000";
    let output = base().args(["task", "logs", nobody]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), stderr.trim()),
        (Some(1), format!("error: no task has the id {nobody}").as_str())
    );
}

#[test]
fn that_only_the_end_was_kept_is_said() {
    let (_folder, running) = dev("info");
    let base = beside(&running);
    let id = publish(&base, "chatterer", 0, true);
    let printed = logs(&base, &id, &[]);
    assert_eq!(printed.lines().nth(1), Some("(13.3 KiB before this were not kept)"), "{printed:.200}");
    assert!(printed.ends_with("begun\ndone\n") && printed.len() > 16_000, "{}", printed.len());
    assert!(!running.log().contains("begun"), "a guest's output is no concern at the level info");
}

/// How long a guest takes that is followed: as long as a command takes to start on a slow machine.
const FOLLOWED_MS: u32 = 10_000;

/// Follows a task that runs until it is over.
fn follow(base: impl Fn() -> Command, id: &str) {
    let mut follower = base().args(["task", "logs", id, "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    let heading = lines.next().unwrap();
    assert!(heading.starts_with("== attempt 0  RUNNING  20"), "{heading}");
    assert_eq!(lines.next().unwrap(), "begun");
    let heading = lines.next().unwrap();
    assert!(heading.starts_with("== attempt 0  COMPLETED  20"), "{heading}");
    assert_eq!(lines.collect::<Vec<_>>(), ["done"]);
    assert!(follower.wait().unwrap().success());
}

#[test]
fn a_running_guest_is_followed_over_http() {
    let (_folder, running) = dev("info");
    let base = beside(&running);
    let id = publish(&base, "talker", FOLLOWED_MS, false);
    follow(base, &id);
}

/// A talker that is at it.
async fn talking(stack: &Stack, ms: u32) -> String {
    let publisher = stack.publisher().await;
    publisher.task("talker", &json!(ms), Some("m-1")).await;
    let running = TaskFilter { status: Some(TaskStatus::Running), ..TaskFilter::default() };
    stack.wait_for_tasks(&running, |tasks| tasks.len() == 1).await[0].id.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_guest_is_followed_in_the_database() {
    let stack = Stack::new().await;
    stack.add_component("talker", &talker(1));
    let _warren = stack.start(&[&UNLIMITED[..], &[ALIVE]].concat());
    let id = talking(&stack, FOLLOWED_MS).await;
    tokio::task::block_in_place(|| follow(|| stack.bare(), &id));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_interrupted_guest_wrote_is_kept() {
    let stack = Stack::new().await;
    stack.add_component("talker", &talker(1));
    let mut warren = stack.start(&[&UNLIMITED[..], &[ALIVE, ("WARREN_SERVICE_GRACE", "0s")]].concat());
    let id = talking(&stack, 300_000).await;
    tokio::task::block_in_place(|| {
        let (base, deadline) = (|| stack.bare(), Instant::now() + PATIENCE);
        while !logs(&base, &id, &[]).ends_with("\nbegun\n") {
            assert!(Instant::now() < deadline, "it has written nothing");
        }
        warren.signal("TERM");
        assert!(warren.wait().success());
        let printed = logs(&base, &id, &[]);
        assert!(printed.starts_with("== attempt 0  INTERRUPTED") && printed.ends_with("\nbegun\n"), "{printed}");
        let task: Value = serde_json::from_str(&said(base().args(["task", "show", &id, "--output", "json"]))).unwrap();
        assert_eq!(task["attempts"][0]["receipt"], Value::Null);
    });
}
