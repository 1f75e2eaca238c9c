//! What the tasks of a component used, summed up.

use std::time::Duration;

use chrono::TimeDelta;
use warren::{
    lifecycle::{AttemptOutcome, AttemptRow, Recorder, Spread, TaskRow, Usage},
    outcome::{ErrorClass, Failure},
    receipt::Receipt,
};

use crate::{
    database::TestDatabase,
    rows::{at, completed, pending},
};

crate::on_both_databases!(
    the_attempts_at_the_tasks_of_a_component_are_summed_up,
    only_the_newest_thousand_tasks_count,
    a_component_without_tasks_has_used_nothing,
);

/// An attempt that took `ms` by the clock on the wall, half of it computing.
fn attempt(ms: u64, outcome: AttemptOutcome, class: Option<ErrorClass>) -> AttemptRow {
    let mut attempt = AttemptRow::begun(0, "runtime-1".into(), at(0));
    let (wall, cpu) = (Duration::from_millis(ms), Duration::from_micros(ms * 500));
    attempt.receipt = Some(Receipt { wall, cpu, memory: ms * 1_024, ..Receipt::default() });
    let end = at(0) + TimeDelta::from_std(wall).unwrap();
    attempt.end(outcome, class.map(|class| Failure::new(class, "so it is")), end);
    attempt
}

fn row(n: usize, attempts: Vec<AttemptRow>) -> TaskRow {
    TaskRow { attempts, ..completed(n, 0, 0) }
}

async fn the_attempts_at_the_tasks_of_a_component_are_summed_up(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let done = |ms| attempt(ms, AttemptOutcome::Completed, None);
    let failed = |class| attempt(100, AttemptOutcome::Failed, Some(class));
    for n in 0..98 {
        recorder.record(row(n, vec![done(n as u64 + 1)])).await.unwrap();
    }
    recorder.record(row(98, vec![failed(ErrorClass::Timeout), done(99)])).await.unwrap();
    // Neither was executed to its end: they count, and not among what was used.
    let missing = AttemptRow { receipt: None, ..failed(ErrorClass::NoSuchComponent) };
    let cut_off = AttemptRow { receipt: None, ..attempt(7_000, AttemptOutcome::Interrupted, None) };
    recorder.record(row(99, vec![missing, cut_off])).await.unwrap();
    recorder.record(TaskRow { task_name: Some("other".into()), ..row(100, vec![done(1_000_000)]) }).await.unwrap();
    recorder.record(pending(101)).await.unwrap();

    let usage = db.usage_of("process_order").await.unwrap();
    assert_eq!((usage.tasks, usage.attempts, usage.completed), (100, 102, 99));
    let failed: Vec<_> = usage.failed.iter().map(|(class, n)| (class.as_str(), *n)).collect();
    assert_eq!(failed, [("no_such_component", 1), ("timeout", 1)]);
    assert_eq!(usage.wall_us, Some(Spread { p50: 50_000, p99: 99_000 }));
    assert_eq!(usage.cpu_us, Some(Spread { p50: 25_000, p99: 49_500 }));
    assert_eq!(usage.memory_bytes, Some(Spread { p50: 50 * 1_024, p99: 99 * 1_024 }));
}

async fn only_the_newest_thousand_tasks_count(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let rows = (0..1_010).map(|n| {
        let class = (n < 10).then_some(ErrorClass::Trap);
        let outcome = if n < 10 { AttemptOutcome::Failed } else { AttemptOutcome::Completed };
        recorder.record(row(n, vec![attempt(1, outcome, class)]))
    });
    assert!(futures_util::future::join_all(rows).await.iter().all(Result::is_ok));
    let usage = db.usage_of("process_order").await.unwrap();
    assert_eq!((usage.tasks, usage.completed, usage.failed.len()), (1_000, 1_000, 0));
}

async fn a_component_without_tasks_has_used_nothing(test: TestDatabase) {
    assert_eq!(test.connect().await.usage_of("nobody").await.unwrap(), Usage::default());
}
