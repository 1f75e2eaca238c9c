//! Tasks that are not over and to which nothing happens.

use std::time::Duration;

use warren::lifecycle::{
    AttemptOutcome, AttemptRow, Database, Heartbeat, Recorder, RuntimeInfo, TaskFilter, TaskRow, TaskStatus,
};

use crate::{
    database::TestDatabase,
    rows::{completed, failed, id, pending, running},
};

crate::on_both_databases!(
    what_is_not_over_and_was_not_touched_for_long_is_stuck,
    what_a_live_runtime_is_at_is_not_stuck,
);

async fn stuck(db: &Database, time: Duration) -> Vec<uuid::Uuid> {
    let filter = TaskFilter { stuck_for: Some(time), ..TaskFilter::default() };
    let mut ids: Vec<_> = db.list_tasks(&filter, 10, None).await.unwrap().iter().map(|task| task.id).collect();
    ids.sort_unstable();
    ids
}

const HOUR: Duration = Duration::from_secs(3600);

async fn what_is_not_over_and_was_not_touched_for_long_is_stuck(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let now = db.clock().now();
    let mut attempt = AttemptRow::begun(0, "gone".into(), now - chrono::TimeDelta::hours(2));
    attempt.end(AttemptOutcome::Failed, None, now);
    let retried = TaskRow { attempts: vec![attempt], error: Some("technical: away".into()), ..pending(5) };
    let young = TaskRow { created_at: now, ..pending(6) };
    for row in [pending(1), running(2, 0, 1), completed(3, 0, 1), failed(4, 0, 1), retried, young] {
        recorder.record(row).await.unwrap();
    }
    assert_eq!(stuck(&db, HOUR).await, [id(1), id(2)]);
    assert_eq!(stuck(&db, Duration::ZERO).await, [id(1), id(2), id(5), id(6)]);
    let running = TaskFilter { status: Some(TaskStatus::Running), stuck_for: Some(HOUR), ..TaskFilter::default() };
    assert_eq!(db.list_tasks(&running, 10, None).await.unwrap().len(), 1);
}

async fn what_a_live_runtime_is_at_is_not_stuck(test: TestDatabase) {
    let test = test.of_the_living();
    let db = test.connect().await;
    let task = TaskRow { started_at: Some(db.clock().now()), ..running(1, 0, 1) };
    Recorder::start(&db).record(task).await.unwrap();
    assert_eq!(stuck(&db, Duration::ZERO).await, [id(1)]);
    let info = RuntimeInfo { runtime_id: "runtime-1".into(), service: "test".into(), host: "here".into() };
    let _heartbeat = Heartbeat::start(&db, info).await.unwrap();
    assert!(stuck(&db, Duration::ZERO).await.is_empty());
    // No attempt lasts for so long, whatever its runtime does.
    Recorder::start(&db).record(running(2, 0, 1)).await.unwrap();
    assert_eq!(stuck(&db, HOUR).await, [id(2)]);
}
