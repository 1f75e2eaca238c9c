//! `warren task list` with its words, `--follow`, and what `task show` says comes next; on Postgres and on SQLite.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/process.rs"]
mod process;
#[path = "support/rows.rs"]
mod rows;

use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use chrono::TimeDelta;
use database::TestDatabase;
use process::warren;
use rows::{completed, failed, id, pending};
use serde_json::{Value, json};
use uuid::Uuid;
use warren::lifecycle::{AttemptOutcome, AttemptRow, Database, Recorder, TaskRow, id_of_malformed, id_of_message};

on_both_databases!(
    pages_go_on_at_the_cursor_that_was_told,
    words_of_a_list_are_heard,
    a_task_is_found_by_its_message,
    a_follow_tells_each_task_once_also_those_that_are_committed_late,
    a_follow_ends_when_nobody_reads_any_more,
    what_comes_next_is_told,
);

fn command(test: &TestDatabase, args: &[&str]) -> Command {
    let mut command = warren();
    command.env("DATABASE_URL", &test.config.url).args(args);
    command
}

/// Runs it; gives its exit code, stdout and stderr.
fn run(test: &TestDatabase, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(test, args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

async fn record(db: &Database, rows: impl IntoIterator<Item = TaskRow>) {
    let recorder = Recorder::start(db);
    for row in rows {
        recorder.record(row).await.unwrap();
    }
}

fn ids(tasks: &str) -> Vec<Value> {
    let tasks: Value = serde_json::from_str(tasks).unwrap();
    tasks.as_array().unwrap().iter().map(|task| task["id_task"].clone()).collect()
}

async fn pages_go_on_at_the_cursor_that_was_told(test: TestDatabase) {
    let db = test.connect().await;
    record(&db, (0..5).map(pending)).await;
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut args = vec!["task", "list", "--limit", "2", "--output", "json"];
        args.extend(after.iter().flat_map(|after| ["--after", after.as_str()]));
        let (code, stdout, stderr) = run(&test, &args);
        assert_eq!(code, 0, "{stderr}");
        seen.extend(ids(&stdout));
        after = stderr.trim().strip_prefix("there may be more: --after ").map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..5).rev().map(|n| json!(id(n))).collect::<Vec<_>>());
}

async fn words_of_a_list_are_heard(test: TestDatabase) {
    let db = test.connect().await;
    let now = db.clock().now();
    let young =
        TaskRow { created_at: now - TimeDelta::minutes(5), error: Some("timeout: long".into()), ..failed(2, 0, 1) };
    record(&db, [failed(1, 0, 1), young, completed(3, 0, 1)]).await;
    let list = |args: &[&str]| {
        let (code, stdout, stderr) = run(&test, &[&["task", "list", "--output", "json"], args].concat());
        assert_eq!(code, 0, "{args:?}: {stderr}");
        ids(&stdout)
    };
    assert_eq!(list(&["--class", "timeout"]), [json!(id(2))]);
    assert_eq!(list(&["--class", "business", "--status", "failed"]), [json!(id(1))]);
    assert_eq!(list(&["--since", "1h"]), [json!(id(2))]);
    assert_eq!(list(&["--until", "1h"]), [json!(id(3)), json!(id(1))]);
    assert_eq!(list(&["--since", "2000-01-31T08:00:00Z", "--until", "2000-02-01T08:00:00+01:00"]), [json!(null); 0]);
    for (args, told) in [
        (["--class", "slow"], "they are invalid, business, technical, trap, "),
        (["--since", "yesterday"], "as 2030-01-31T08:00:00Z, or how long ago"),
        (["--after", "x"], "not a cursor"),
        (["--status", "done"], "PENDING, RUNNING"),
    ] {
        let (code, _, stderr) = run(&test, &[&["task", "list"], &args[..]].concat());
        assert!(code == 2 && stderr.contains(told), "{args:?}: {stderr}");
    }
    let (code, _, stderr) = run(&test, &["task", "list", "--follow", "--until", "1h"]);
    assert!(code == 2 && stderr.contains("cannot be used with"), "{stderr}");
}

async fn a_task_is_found_by_its_message(test: TestDatabase) {
    let db = test.connect().await;
    let of = |id: Uuid, producer: &str, message: &str| TaskRow {
        id,
        producer_app: Some(producer.into()),
        message_id: Some(message.into()),
        ..completed(1, 0, 1)
    };
    let key = |producer: &str| id_of_message(&producer.parse().unwrap(), &"order-17".parse().unwrap());
    let (task, malformed, other) =
        (key("shop"), id_of_malformed(&"shop".parse().unwrap(), &"order-17".parse().unwrap()), key("other"));
    let mut rows =
        vec![of(task, "shop", "order-17"), of(malformed, "shop", "order-17"), of(other, "other", "order-17")];
    rows.push(of(id(9), "shop", "order-18"));
    record(&db, rows).await;
    let list = |args: &[&str]| {
        let (code, stdout, stderr) = run(&test, &[&["task", "list", "--output", "json"], args].concat());
        assert_eq!(code, 0, "{args:?}: {stderr}");
        ids(&stdout).into_iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect::<HashSet<Uuid>>()
    };
    assert_eq!(list(&["--message-id", "order-17", "--producer", "shop"]), HashSet::from([task, malformed]));
    assert_eq!(list(&["--message-id", "order-17"]), HashSet::from([task, malformed, other]));
    assert_eq!(list(&["--message-id", "order-17", "--producer", "shop", "--status", "failed"]), HashSet::new());
    assert_eq!(list(&["--message-id", "", "--producer", "shop"]), HashSet::new());
}

/// A follow, line by line.
struct Follow {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Follow {
    fn start(test: &TestDatabase, args: &[&str]) -> Self {
        let mut command = command(test, &[&["task", "list", "--follow", "--output", "json"], args].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The ids of the next so many tasks. A test that waits for ever is ended by the runner.
    fn next(&mut self, count: usize) -> Vec<Value> {
        tokio::task::block_in_place(|| {
            let lines = self.lines.by_ref().take(count);
            lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["id_task"].clone()).collect()
        })
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

async fn a_follow_tells_each_task_once_also_those_that_are_committed_late(test: TestDatabase) {
    let db = test.connect().await;
    let now = db.clock().now();
    let seen_at = |n: usize, second| TaskRow { created_at: now + TimeDelta::seconds(second), ..completed(n, 0, 1) };
    record(&db, [seen_at(1, -30), seen_at(2, -20), seen_at(3, -10)]).await;
    let mut follow = Follow::start(&test, &["--limit", "2"]);
    assert_eq!(follow.next(2), [json!(id(2)), json!(id(3))], "the oldest of the newest first");
    record(&db, [seen_at(4, 0)]).await;
    assert_eq!(follow.next(1), [json!(id(4))]);
    // It was first seen before all that was told.
    record(&db, [seen_at(5, -25)]).await;
    assert_eq!(follow.next(1), [json!(id(5))]);
    record(&db, [seen_at(6, 1), seen_at(7, 2)]).await;
    assert_eq!(follow.next(2), [json!(id(6)), json!(id(7))]);

    // One of a status is told when it comes to stand so.
    let mut failures = Follow::start(&test, &["--status", "failed"]);
    record(&db, [TaskRow { created_at: now - TimeDelta::minutes(30), ..failed(20, 0, 1) }]).await;
    assert_eq!(failures.next(1), [json!(id(20))]);
    record(&db, [TaskRow { created_at: now - TimeDelta::minutes(45), ..failed(21, 0, 1) }, seen_at(22, 3)]).await;
    record(&db, [TaskRow { created_at: now, ..failed(23, 0, 1) }]).await;
    let mut both = failures.next(2);
    both.sort_by_key(ToString::to_string);
    assert_eq!(both, [json!(id(21)), json!(id(23))]);
}

async fn a_follow_ends_when_nobody_reads_any_more(test: TestDatabase) {
    let db = test.connect().await;
    record(&db, [pending(1)]).await;
    let mut command = command(&test, &["task", "list", "--follow"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("PENDING"), "{line}");
    drop(stdout);
    record(&db, [TaskRow { created_at: db.clock().now(), ..pending(2) }]).await;
    assert!(tokio::task::block_in_place(|| child.wait().unwrap()).success());
}

async fn what_comes_next_is_told(test: TestDatabase) {
    let db = test.connect().await;
    let now = db.clock().now();
    let mut attempt = AttemptRow::begun(1, "runtime-1".into(), now);
    attempt.end(AttemptOutcome::Failed, None, now);
    let waits = TaskRow {
        error: Some("technical: away".into()),
        attempt: 1,
        created_at: now,
        started_at: Some(now),
        attempts: vec![attempt],
        ..pending(1)
    };
    let mut last = AttemptRow::begun(3, "runtime-1".into(), now);
    last.end(AttemptOutcome::Failed, None, now);
    let dead = TaskRow { error: Some("timeout: long".into()), attempts: vec![last], ..failed(2, 3, 1) };
    record(&db, [waits, dead, completed(3, 0, 1)]).await;
    let show = |n| {
        let (code, stdout, stderr) = run(&test, &["task", "show", &id(n).to_string(), "--output", "json"]);
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str::<Value>(&stdout).unwrap()["next"].clone()
    };
    let delay = |args: &mut Command| args.env("WARREN_RETRY_DELAY", "1h").output().unwrap();
    let shown = delay(&mut command(&test, &["task", "show", &id(1).to_string(), "--output", "json"])).stdout;
    let next = serde_json::from_slice::<Value>(&shown).unwrap()["next"].clone();
    assert!(next["what"].as_str().unwrap().starts_with("attempt 2, "), "{next}");
    let at: chrono::DateTime<chrono::Utc> = next["at"].as_str().unwrap().parse().unwrap();
    assert_eq!(at, now + TimeDelta::hours(2), "the second retry waits twice as long");
    let next = show(2);
    assert!(next["what"].as_str().unwrap().contains("--reason timeout --component process_order"), "{next}");
    assert_eq!(show(3), json!({ "what": "nothing: it is over", "at": null }));
    let (_, table, _) = run(&test, &["task", "show", &id(3).to_string()]);
    assert!(table.lines().any(|line| line.starts_with("next ") && line.ends_with("nothing: it is over")), "{table}");
}
