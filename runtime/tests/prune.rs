//! `warren prune`, as a person or a script uses it, and the runtime that does the same by its settings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/process.rs"]
mod process;
#[path = "support/rows.rs"]
mod rows;

use std::process::{Command, Output, Stdio};

use chrono::TimeDelta;
use database::TestDatabase;
use process::{Process, compiled, components, warren};
use rows::{completed, event, failed, id, pending};
use serde_json::{Value, json};
use warren::lifecycle::{Database, EventFilter, Recorder, TaskFilter, TaskRow};

on_both_databases!(what_is_old_is_counted_and_then_deleted, nobody_is_asked_in_a_pipe_and_nothing_is_deleted,);

fn prune(test: &TestDatabase, args: &[&str]) -> (i32, String, String) {
    let mut command = warren();
    command.env("DATABASE_URL", &test.config.url).arg("prune").args(args).stdin(Stdio::null());
    run(&mut command)
}

fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Two COMPLETED, one FAILED, one PENDING and one event of forty days ago, and one COMPLETED of now.
async fn fill(db: &Database) {
    let (now, recorder) = (db.clock().now(), Recorder::start(db));
    let then = now - TimeDelta::days(40);
    let old = |row: TaskRow| TaskRow { created_at: then, finished_at: row.finished_at.map(|_| then), ..row };
    let young = TaskRow { created_at: now, finished_at: Some(now), ..completed(9, 0, 1) };
    for row in [old(completed(1, 0, 1)), old(completed(2, 0, 1)), old(failed(3, 0, 1)), old(pending(4)), young] {
        recorder.record(row).await.unwrap();
    }
    let mut event = event(1);
    event.created_at = then;
    recorder.record_event(event).await.unwrap();
}

async fn left(db: &Database) -> (usize, usize) {
    let tasks = db.list_tasks(&TaskFilter::default(), 100, None).await.unwrap();
    (tasks.len(), db.list_events(&EventFilter::default(), 100, None).await.unwrap().len())
}

async fn what_is_old_is_counted_and_then_deleted(test: TestDatabase) {
    let db = test.connect().await;
    fill(&db).await;
    let (code, stdout, stderr) = prune(&test, &["--older-than", "30d", "--dry-run"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(
        stdout.trim(),
        "2 COMPLETED tasks, 1 FAILED tasks and 0 CANCELLED tasks older than 30days would be deleted"
    );
    assert_eq!(left(&db).await, (5, 1));
    let json = ["--older-than", "30d", "--status", "failed", "--yes", "--output", "json"];
    let (code, stdout, stderr) = prune(&test, &json);
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, told), (0, json!({ "dry_run": false, "rows": { "failed": 1 } })), "{stderr}");
    assert_eq!(left(&db).await, (4, 1));
    let (code, stdout, stderr) = prune(&test, &["--older-than", "30d", "--events", "--yes"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.starts_with("2 COMPLETED tasks, 0 FAILED tasks, 0 CANCELLED tasks and 1 events were deleted"),
        "{stdout}"
    );
    assert_eq!(left(&db).await, (2, 0));
    let (code, stdout, _) = prune(&test, &["--older-than", "30d", "--events"]);
    assert_eq!((code, stdout.trim()), (0, "nothing is older than 30days"));
}

async fn nobody_is_asked_in_a_pipe_and_nothing_is_deleted(test: TestDatabase) {
    let db = test.connect().await;
    fill(&db).await;
    let (code, _, stderr) = prune(&test, &["--older-than", "30d"]);
    assert!(code == 1 && stderr.contains("--yes") && stderr.contains("2 COMPLETED tasks"), "{stderr}");
    for (args, told) in [
        (&["--older-than", "30"][..], "a duration like 30d"),
        (&["--older-than", "soon"], "a duration like 30d"),
        (&["--older-than", "59m"], "takes at least 1h"),
        (&["--older-than", "-1d"], "--older-than"),
        (&[], "--older-than"),
        (&["--older-than", "30d", "--status", "running"], "is never deleted"),
        (&["--older-than", "30d", "--status", "done"], "a status is one of"),
    ] {
        let (code, _, stderr) = prune(&test, args);
        assert!(code == 2 && stderr.contains(told), "{args:?}: {stderr}");
    }
    assert_eq!(left(&db).await, (5, 1));
}

#[test]
fn who_names_no_database_is_told_how() {
    let (code, _, stderr) = run(warren().args(["prune", "--older-than", "30d", "--yes"]));
    assert!(code == 1 && stderr.contains("set DATABASE_URL"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_deletes_by_its_settings_what_is_over_and_old() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/warren.db", folder.path().display());
    let db = Database::connect(&warren::lifecycle::DatabaseConfig::new(&url)).await.unwrap();
    db.migrate().await.unwrap();
    fill(&db).await;
    let mut command = warren();
    command.args(["dev", "--data", "."]).arg("--components").arg(components()).current_dir(folder.path());
    command.env("WARREN_COMPONENTS_CACHE", compiled());
    command.env("WARREN_RETENTION_TASKS", "30d").env("WARREN_RETENTION_EVENTS", "30d");
    let running = Process::start(command);
    running.wait_for_line("deleted 3 tasks and 1 events that were older than [retention] says");
    for (n, is_left) in [(1, false), (2, false), (3, false), (4, true), (9, true)] {
        assert_eq!(db.find_task(id(n)).await.unwrap().is_some(), is_left, "{n}");
    }
    assert_eq!(left(&db).await.1, 0);
}

#[test]
fn wrong_settings_are_told() {
    let mut command = warren();
    command.arg("config").env("WARREN_RETENTION_TASKS", "10m").env("WARREN_RETENTION_EVENTS", "often");
    let (code, _, stderr) = run(&mut command);
    assert_eq!(code, 1);
    assert!(stderr.contains("retention.tasks is 10m, it takes at least 1h"), "{stderr}");
    assert!(stderr.contains("retention.events: takes a duration like 30d, or forever"), "{stderr}");
}
