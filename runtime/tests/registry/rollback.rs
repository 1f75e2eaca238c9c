//! Two runtimes under load, while the component that they execute is pushed anew and taken back, again and again: no task
//! fails, and each row has the digest of what it was executed with.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use tokio::task::block_in_place;
use warren::{
    components::Digest,
    lifecycle::{TaskFilter, TaskStatus},
};

use crate::{
    answering,
    process::{PATIENCE, warren},
    s3::S3,
    stack::{ALIVE, Stack},
    steady::publish,
    succeed,
};

const PER_SECOND: u32 = 20;

const ROUNDS: usize = 5;

/// Longer than a scan, the reading of the file and its compilation on a machine that does other things, too.
const SECONDS: Duration = Duration::from_secs(60);

/// Waits until both runtimes have executed that file in a task that began after `since`; gives how long that took.
async fn both_execute(stack: &Stack, digest: &Digest, since: DateTime<Utc>, clock: Instant) -> Duration {
    let connection = stack.database.connection();
    let sql = "SELECT count(DISTINCT runtime_id) AS n FROM task_store \
               WHERE component_digest = $1 AND started_at > $2 AND status = 'COMPLETED'";
    loop {
        let values = [digest.as_str().into(), since.into()];
        let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
        let row = connection.query_one_raw(statement).await.unwrap().unwrap();
        if row.try_get::<i64>("", "n").unwrap() == 2 {
            return clock.elapsed();
        }
        assert!(clock.elapsed() < PATIENCE, "{digest} was not executed by both runtimes");
        // Other processes write the rows: there is no event to wait for.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn rolls_back_under_load(variables: Vec<(String, String)>, url: Option<&str>) {
    let stack = Stack::new().await;
    let folder = tempfile::tempdir().unwrap();
    let url = url.map_or_else(|| folder.path().join("store").display().to_string(), str::to_owned);
    let component = |args: &[&str]| {
        let mut command = warren();
        command.current_dir(folder.path()).env("WARREN_COMPONENTS_URL", &url).envs(variables.iter().cloned());
        let started = (Utc::now(), Instant::now());
        block_in_place(|| succeed(command.arg("component").args(args)));
        started
    };
    let (one, two) = (answering("one"), answering("two"));
    std::fs::write(folder.path().join("one.wasm"), &one).unwrap();
    std::fs::write(folder.path().join("two.wasm"), &two).unwrap();
    let (first, second) = (Digest::of(&one), Digest::of(&two));
    component(&["push", "one.wasm", "--name", "work"]);

    let mut settings: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    settings.extend([("WARREN_COMPONENTS_URL", &*url), ALIVE]);
    let _runtimes = block_in_place(|| [stack.start(&settings), stack.start(&settings)]);
    let done = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn(publish(stack.publisher().await, PER_SECOND, |_| ("work", json!({})), done.clone()));
    both_execute(&stack, &first, DateTime::UNIX_EPOCH, Instant::now()).await;

    let (since, clock) = component(&["push", "two.wasm", "--name", "work"]);
    let usable = both_execute(&stack, &second, since, clock).await;
    let mut switches = Vec::new();
    for round in 0..ROUNDS {
        let (number, digest) = if round % 2 == 0 { ("1", &first) } else { ("2", &second) };
        let (since, clock) = component(&["use", "work", number]);
        switches.push(both_execute(&stack, digest, since, clock).await);
    }
    done.store(true, Ordering::Relaxed);
    let published = publishing.await.unwrap();
    println!("push → executed by both runtimes: {usable:?}; use → the same: {switches:?}; {published} tasks");

    let filter = TaskFilter::default();
    let tasks = stack
        .wait_for_tasks(&filter, |tasks| tasks.len() == published && tasks.iter().all(|task| task.status.is_final()))
        .await;
    for task in &tasks {
        assert_eq!((task.status, task.attempt), (TaskStatus::Completed, 0), "{task:?}");
        let row = stack.row(task).await;
        let (result, digest) = (row.result.unwrap(), row.component_digest.unwrap());
        let expected = if &*result == "\"one\"" { &first } else { &second };
        assert_eq!(&*digest, expected.as_str(), "{result}");
    }
    let slowest = switches.into_iter().chain([usable]).max().unwrap();
    assert!(slowest < SECONDS, "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_directory_is_rolled_back_under_load() {
    rolls_back_under_load(Vec::new(), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_s3_is_rolled_back_under_load() {
    let Some(server) = S3::start() else { return };
    rolls_back_under_load(server.variables(), Some("s3://components/here")).await;
}
