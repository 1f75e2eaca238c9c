//! A task is to be cancelled: what its row says, and who is told.

use std::time::Duration;

use warren::lifecycle::{Cancelled, Database, Heartbeat, Lookups, Recorder, RuntimeInfo, TaskRow, TaskStatus};

use crate::{
    database::TestDatabase,
    rows::{completed, failed, id, pending, running},
};

crate::on_both_databases!(
    what_waits_is_cancelled_at_once_if_its_message_finds_it,
    what_a_live_runtime_is_at_is_noted_and_told,
    what_is_over_or_unknown_stays_as_it_is,
    what_is_reopened_is_no_longer_to_be_cancelled,
);

const MINUTE: Duration = Duration::from_secs(60);

fn with_id(n: usize, row: TaskRow) -> TaskRow {
    TaskRow { message_id: Some(format!("m-{n}").into()), ..row }
}

async fn record(db: &Database, rows: impl IntoIterator<Item = TaskRow>) {
    let recorder = Recorder::start(db);
    for row in rows {
        recorder.record(row).await.unwrap();
    }
}

async fn what_waits_is_cancelled_at_once_if_its_message_finds_it(test: TestDatabase) {
    let db = test.connect().await;
    // The runtime of the second one is not alive.
    record(&db, [with_id(1, pending(1)), with_id(2, running(2, 1, 1)), TaskRow { message_id: None, ..pending(3) }])
        .await;
    assert_eq!(db.cancel(id(1)).await.unwrap(), Cancelled::AtOnce);
    assert_eq!(db.cancel(id(2)).await.unwrap(), Cancelled::AtOnce);
    assert_eq!(db.cancel(id(3)).await.unwrap(), Cancelled::Noted);
    for n in [1, 2] {
        let row = db.find_task(id(n)).await.unwrap().unwrap();
        assert_eq!((row.status, row.error.as_deref()), (TaskStatus::Cancelled, Some("cancelled: on request")));
        assert!(row.finished_at.is_some());
        assert_eq!(db.cancel(id(n)).await.unwrap(), Cancelled::Over(TaskStatus::Cancelled), "twice");
    }
    let state = Lookups::start(&db).state(id(3)).await.unwrap().unwrap();
    assert!(state.to_be_cancelled && state.status == TaskStatus::Pending);
    assert_eq!(db.cancelled_within(MINUTE).await.unwrap(), [id(1), id(2), id(3)].into());
    assert_eq!(db.cancelled_within(Duration::ZERO).await.unwrap(), [].into());
}

async fn what_a_live_runtime_is_at_is_noted_and_told(test: TestDatabase) {
    let test = test.of_the_living();
    let db = test.connect().await;
    let now = Some(db.clock().now());
    record(&db, [with_id(1, TaskRow { started_at: now, ..running(1, 0, 1) })]).await;
    let info = RuntimeInfo { runtime_id: "runtime-1".into(), service: "test".into(), host: "here".into() };
    let _heartbeat = Heartbeat::start(&db, info).await.unwrap();
    assert_eq!(db.cancel(id(1)).await.unwrap(), Cancelled::Noted);
    assert_eq!(db.find_task(id(1)).await.unwrap().unwrap().status, TaskStatus::Running);
    assert_eq!(db.cancelled_within(MINUTE).await.unwrap(), [id(1)].into());
}

async fn what_is_over_or_unknown_stays_as_it_is(test: TestDatabase) {
    let db = test.connect().await;
    record(&db, [completed(1, 0, 1), failed(2, 0, 1)]).await;
    assert_eq!(db.cancel(id(1)).await.unwrap(), Cancelled::Over(TaskStatus::Completed));
    assert_eq!(db.cancel(id(2)).await.unwrap(), Cancelled::Over(TaskStatus::Failed));
    assert_eq!(db.cancel(id(3)).await.unwrap(), Cancelled::Unknown);
    assert_eq!(db.cancelled_within(MINUTE).await.unwrap(), [].into());
}

async fn what_is_reopened_is_no_longer_to_be_cancelled(test: TestDatabase) {
    let db = test.connect().await;
    record(&db, [with_id(1, pending(1))]).await;
    db.cancel(id(1)).await.unwrap();
    db.reopen(id(1)).await.unwrap();
    let row = db.find_task(id(1)).await.unwrap().unwrap();
    assert_eq!((row.status, row.error, row.finished_at), (TaskStatus::Pending, None, None));
    assert!(!Lookups::start(&db).state(id(1)).await.unwrap().unwrap().to_be_cancelled);
    assert_eq!(db.cancelled_within(MINUTE).await.unwrap(), [].into());
}
