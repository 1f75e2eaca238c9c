//! What goes on at this moment, as people look at it.

use std::time::Duration;

use chrono::TimeDelta;
use entity::delayed_task;
use sea_orm::ConnectionTrait;
use tokio::time::{Instant, sleep, timeout};
use warren::lifecycle::{
    Activity, AttemptRow, Cancelled, Database, Failures, Heartbeat, Latency, Recorder, RuntimeInfo, TaskRow,
    TaskStatus, Waiting,
};

use super::plans::number;
use crate::{
    database::TestDatabase,
    rows::{completed, failed, id, pending, running},
};

crate::on_both_databases!(
    the_runtimes_say_how_many_tasks_end_a_second,
    what_runs_is_told_the_longest_first,
    failures_of_the_last_minutes_are_counted_by_class_and_component,
    the_time_that_tasks_took_is_that_of_the_last_minute,
    messages_that_wait_for_their_time_are_counted,
    nothing_goes_on_in_an_empty_database,
);

fn info(id: &str) -> RuntimeInfo {
    RuntimeInfo { runtime_id: id.into(), service: "test".into(), host: "here".into() }
}

async fn until(db: &Database, what: &str, right: impl Fn(&Activity) -> bool) -> Activity {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let activity = db.activity().await.unwrap();
        if right(&activity) {
            return activity;
        }
        assert!(Instant::now() < deadline, "not in time: {what}: {activity:#?}");
        // Rows that a background task writes: there is no event to wait for.
        sleep(Duration::from_millis(20)).await;
    }
}

async fn the_runtimes_say_how_many_tasks_end_a_second(test: TestDatabase) {
    let db = test.connect().await;
    let heartbeat = Heartbeat::start(&db, info("a")).await.unwrap();
    // Another process, which does nothing and stops.
    let other = test.open().await;
    let idle = Heartbeat::start(&other, info("b")).await.unwrap();
    let recorder = Recorder::start(&db);
    for n in 0..12 {
        recorder.record(completed(n, 0, 1)).await.unwrap();
    }
    for n in 12..15 {
        recorder.record(failed(n, 0, 1)).await.unwrap();
    }
    recorder.record(TaskRow { message_id: Some("m".into()), ..pending(15) }).await.unwrap();
    assert_eq!(db.cancel(id(15)).await.unwrap(), Cancelled::AtOnce);
    let has_rates = |activity: &Activity| activity.runtimes.iter().all(|runtime| runtime.rates.is_some());
    let is_told = |activity: &Activity| activity.runtimes.len() == 2 && has_rates(activity);
    let counted = |activity: &Activity| is_told(activity) && activity.rates.cancelled_per_s > 0.0;
    let activity = until(&db, "both tell, with the last one", counted).await;
    let rates = activity.rates;
    let ratio = |count: f64| (count / rates.cancelled_per_s).round();
    assert_eq!((ratio(rates.completed_per_s), ratio(rates.failed_per_s)), (12.0, 3.0), "{rates:?}");
    let told: Vec<_> = activity.runtimes.iter().map(|runtime| (runtime.runtime_id.as_str(), runtime.rates)).collect();
    let nothing = Some(warren::lifecycle::Rates::default());
    assert_eq!(told, [("a", Some(rates)), ("b", nothing)]);
    assert!(activity.runtimes.iter().all(|runtime| runtime.service == "test" && runtime.host == "here"));
    idle.stop().await;
    until(&db, "one has stopped", |activity| activity.runtimes.len() == 1).await;
    heartbeat.stop().await;
    let gone = until(&db, "both have stopped", |activity| activity.runtimes.is_empty()).await;
    assert_eq!(gone.rates, warren::lifecycle::Rates::default());
}

async fn what_runs_is_told_the_longest_first(test: TestDatabase) {
    let test = test.of_the_living();
    let db = test.connect().await;
    let heartbeat = Heartbeat::start(&db, info("a")).await.unwrap();
    let recorder = Recorder::start(&db);
    let now = db.clock().now();
    for (n, seconds) in [(1, 5), (2, 50), (3, 20)] {
        let begun = now - TimeDelta::seconds(seconds);
        let attempt = AttemptRow::begun(1, "a".into(), begun);
        let (runtime_id, started_at) = (Some("a".into()), Some(begun));
        recorder.record(TaskRow { runtime_id, started_at, attempts: vec![attempt], ..running(n, 1, 0) }).await.unwrap();
    }
    recorder.record(completed(4, 0, 1)).await.unwrap();
    recorder.record(pending(5)).await.unwrap();
    let activity = db.activity().await.unwrap();
    let told: Vec<_> = activity.running.iter().map(|task| (task.id_task, task.attempt)).collect();
    assert_eq!(told, [(id(2), 1), (id(3), 1), (id(1), 1)]);
    assert_eq!(activity.running[0].started_at, Some(now - TimeDelta::seconds(50)));
    assert_eq!((activity.running[0].task_name.as_deref(), activity.runtimes[0].running), (Some("process_order"), 3));
    heartbeat.stop().await;
}

async fn failures_of_the_last_minutes_are_counted_by_class_and_component(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let now = db.clock().now();
    let ended = |n: usize, name: &str, error: &str, minutes: i64| TaskRow {
        task_name: Some(name.into()),
        error: Some(error.into()),
        finished_at: Some(now - TimeDelta::minutes(minutes)),
        ..failed(n, 0, 1)
    };
    for row in [
        ended(1, "resize", "timeout: 30s", 1),
        ended(2, "resize", "timeout: 30s, again", 2),
        ended(3, "order", "timeout: 30s", 0),
        ended(4, "order", "trap: unreachable", 6),
    ] {
        recorder.record(row).await.unwrap();
    }
    let told = db.activity().await.unwrap().failures;
    let failures = |name: &str, count, minutes: i64| Failures {
        class: "timeout".into(),
        task_name: Some(name.into()),
        count,
        last_at: now - TimeDelta::minutes(minutes),
    };
    assert_eq!(told, [failures("resize", 2, 1), failures("order", 1, 0)]);
}

async fn the_time_that_tasks_took_is_that_of_the_last_minute(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let now = db.clock().now();
    let recorded = (1..=100).map(|n| {
        let (created_at, took) = (now - TimeDelta::seconds(10), TimeDelta::milliseconds(n as i64));
        recorder.record(TaskRow { created_at, finished_at: Some(created_at + took), ..completed(n, 0, 1) })
    });
    assert!(futures_util::future::join_all(recorded).await.iter().all(Result::is_ok));
    // Made long ago, and not over.
    recorder.record(completed(101, 0, 1)).await.unwrap();
    recorder.record(TaskRow { created_at: now, ..running(102, 0, 1) }).await.unwrap();
    let latency = db.activity().await.unwrap().latency;
    assert_eq!(latency, Some(Latency { tasks: 100, p50_us: 50_000, p99_us: 99_000 }));
}

async fn messages_that_wait_for_their_time_are_counted(test: TestDatabase) {
    let db = test.connect().await;
    let now = db.clock().now();
    for n in 1..=3 {
        let message = delayed_task::Model {
            id_task: id(n),
            due_at: now + TimeDelta::minutes(n as i64),
            claimed_until: None,
            routing_key: "routing.task.run.x".into(),
            task_name: "x".into(),
            payload: "1".into(),
            producer_app: "shop".into(),
            correlation_id: "c".into(),
            message_id: format!("m-{n}"),
            reply_to: None,
            traceparent: None,
            tracestate: None,
            priority: None,
        };
        db.delay(pending(n), message).await.unwrap();
    }
    let waiting = db.activity().await.unwrap().delayed;
    assert_eq!(waiting, Waiting { count: 3, is_more: false, next_at: Some(now + TimeDelta::minutes(1)) });
}

async fn nothing_goes_on_in_an_empty_database(test: TestDatabase) {
    let activity = test.connect().await.activity().await.unwrap();
    assert!(activity.runtimes.is_empty() && activity.running.is_empty() && activity.failures.is_empty());
    assert_eq!((activity.delayed, activity.latency), (Waiting::default(), None));
}

/// Postgres alone tells what was read.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_reads_few_rows_however_many_there_are() {
    const LOOKS: i64 = 5;
    let test = TestDatabase::postgres().await;
    let (db, aside) = (test.connect().await, test.aside().await);
    let fill = "INSERT INTO task_store (id_task, created_at, status, task_name, error, started_at, finished_at) \
        SELECT gen_random_uuid(), now() - n * interval '1 ms', \
        (ARRAY['COMPLETED', 'COMPLETED', 'COMPLETED', 'FAILED', 'RUNNING'])[1 + n % 5], 'x', 'trap: x', now(), now() \
        FROM generate_series(1, 100000) AS n";
    aside.execute_unprepared(fill).await.unwrap();
    aside.execute_unprepared("VACUUM ANALYZE task_store").await.unwrap();
    aside.execute_unprepared("SELECT pg_stat_reset()").await.unwrap();
    for _ in 0..LOOKS {
        let activity = db.activity().await.unwrap();
        assert_eq!((activity.running.len(), activity.failures[0].count), (1_000, 1_000));
    }
    // What a session has read is told when it ends.
    db.close().await;
    let read =
        "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) AS n FROM pg_stat_user_tables WHERE relname = 'task_store'";
    let told = async {
        while number(&aside, read).await == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), told).await.expect("the session tells what it has read");
    let read = number(&aside, read).await;
    assert!(read <= 3 * 1_000 * LOOKS, "{read} rows were read in {LOOKS} looks");
}

#[test]
fn every_end_is_counted() {
    // The rates have one number for each.
    let ends: Vec<_> = TaskStatus::ALL.into_iter().filter(|status| status.is_final()).collect();
    assert_eq!(ends, [TaskStatus::Completed, TaskStatus::Failed, TaskStatus::Cancelled]);
}
