//! A redelivered message without an id gets the row that it had before its runtime died.

use uuid::Uuid;
use warren::lifecycle::{Database, Heartbeat, Recorder, RuntimeInfo, TakeOver, Taken, TaskRow, TaskStatus};

use crate::{
    database::TestDatabase,
    rows::{at, completed, id, pending, running},
};

crate::on_both_databases!(
    the_unfinished_row_of_the_same_content_is_taken_over,
    rows_of_another_content_are_left_alone,
    each_of_several_equal_messages_gets_a_row_of_its_own,
    an_attempt_that_was_made_and_failed_is_not_made_again,
    a_row_that_a_live_runtime_is_at_is_not_taken,
    a_message_that_comes_for_a_retry_gets_the_row_that_waits_for_it,
    a_task_without_payload_is_taken_over,
);

const PAYLOAD: &str = r#"{"a": 1, "b": [2.50, "x"]}"#;

fn orphan(n: usize) -> TaskRow {
    TaskRow { correlation_id: Some("c".into()), payload: Some(PAYLOAD.into()), ..running(n, 1, 5) }
}

fn message(exclude: &[Uuid]) -> TakeOver<'_> {
    TakeOver {
        attempt: 1,
        redelivered: true,
        producer_app: "shop",
        correlation_id: "c",
        task_name: "process_order",
        payload: Some(PAYLOAD),
        exclude,
        runtime_id: "runtime-2",
        may_judge: true,
        at: at(100),
    }
}

/// A runtime that gives signs of life.
async fn alive(db: &Database, runtime_id: &str) -> Heartbeat {
    let info = RuntimeInfo { runtime_id: runtime_id.into(), service: "test".into(), host: "here".into() };
    Heartbeat::start(db, info).await.unwrap()
}

async fn record_all(recorder: &Recorder, rows: impl IntoIterator<Item = TaskRow>) {
    for row in rows {
        recorder.record(row).await.unwrap();
    }
}

async fn the_unfinished_row_of_the_same_content_is_taken_over(test: TestDatabase) {
    let db = test.connect().await;
    record_all(&Recorder::start(&db), [orphan(1)]).await;
    let taken = db.take_over(&message(&[])).await.unwrap();
    assert_eq!(taken, Some(Taken::Row(id(1))));
    let stored = db.find_task(id(1)).await.unwrap().unwrap();
    assert_eq!((stored.runtime_id.as_deref(), stored.started_at), (Some("runtime-2"), Some(at(100))));
    assert_eq!((stored.status, stored.attempt, stored.created_at), (TaskStatus::Pending, 1, at(1)));
    // Another spelling of the same value, as far as blanks go.
    let spaced = r#"{"a":1,"b":[2.50,"x"]}"#;
    let taken = db.take_over(&TakeOver { payload: Some(spaced), ..message(&[]) }).await.unwrap();
    assert_eq!(taken, Some(Taken::Row(id(1))));
    // At work here: what becomes of it has to be waited for.
    assert_eq!(db.take_over(&message(&[id(1)])).await.unwrap(), Some(Taken::Busy));
}

async fn rows_of_another_content_are_left_alone(test: TestDatabase) {
    let db = test.connect().await;
    let others = [
        TaskRow { correlation_id: Some("d".into()), ..orphan(1) },
        TaskRow { producer_app: Some("blog".into()), ..orphan(2) },
        TaskRow { task_name: Some("echo".into()), ..orphan(3) },
        TaskRow { payload: Some(r#"{"a": 1}"#.into()), ..orphan(4) },
        TaskRow { payload: None, ..orphan(5) },
        TaskRow { message_id: Some("m".into()), ..orphan(6) },
        TaskRow { correlation_id: Some("c".into()), payload: Some(PAYLOAD.into()), ..completed(7, 0, 1) },
    ];
    record_all(&Recorder::start(&db), others).await;
    assert_eq!(db.take_over(&message(&[])).await.unwrap(), None);
    let nul = TakeOver { payload: Some(r#""\u0000""#), ..message(&[]) };
    assert_eq!(db.take_over(&nul).await.unwrap(), None);
}

async fn each_of_several_equal_messages_gets_a_row_of_its_own(test: TestDatabase) {
    let test = test.of_the_living();
    let db = test.connect().await;
    record_all(&Recorder::start(&db), (0..8).map(orphan)).await;
    // Redelivered to runtimes that do not know what the others took.
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (db, runtime_id) = (if n % 2 == 0 { db.clone() } else { test.open().await }, format!("runtime-{}", n + 2));
        let heartbeat = alive(&db, &runtime_id).await;
        callers.spawn(async move {
            let taken = db.take_over(&TakeOver { runtime_id: &runtime_id, ..message(&[]) }).await.unwrap();
            (taken, heartbeat)
        });
    }
    let taken = callers.join_all().await;
    let rows = taken.iter().map(|(taken, _)| if let Some(Taken::Row(id)) = taken { *id } else { panic!("{taken:?}") });
    let mut rows: Vec<Uuid> = rows.collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..8).map(id).collect::<Vec<_>>());
}

async fn an_attempt_that_was_made_and_failed_is_not_made_again(test: TestDatabase) {
    let db = test.connect().await;
    let waits = TaskRow { status: TaskStatus::Pending, error: Some("technical: away".into()), ..orphan(1) };
    record_all(&Recorder::start(&db), [waits, orphan(2)]).await;
    assert_eq!(db.take_over(&message(&[])).await.unwrap(), Some(Taken::Row(id(2))));
    let failed = Some(Taken::Failed(id(1), "technical: away".into()));
    assert_eq!(db.take_over(&message(&[id(2)])).await.unwrap(), failed);
}

async fn a_row_that_a_live_runtime_is_at_is_not_taken(test: TestDatabase) {
    let test = test.of_the_living();
    let db = test.connect().await;
    record_all(&Recorder::start(&db), [orphan(1)]).await;
    let heartbeat = alive(&db, "runtime-1").await;
    assert_eq!(db.take_over(&message(&[])).await.unwrap(), Some(Taken::Busy));
    heartbeat.stop().await;
    let unsure = TakeOver { may_judge: false, ..message(&[]) };
    assert_eq!(db.take_over(&unsure).await.unwrap(), Some(Taken::Busy), "who can't tell does not take");
    assert_eq!(db.take_over(&message(&[])).await.unwrap(), Some(Taken::Row(id(1))));
    // Taken, it belongs to a runtime that lives.
    let _other = alive(&db, "runtime-2").await;
    let third = TakeOver { runtime_id: "runtime-3", ..message(&[]) };
    assert_eq!(db.take_over(&third).await.unwrap(), Some(Taken::Busy));
}

async fn a_message_that_comes_for_a_retry_gets_the_row_that_waits_for_it(test: TestDatabase) {
    let db = test.connect().await;
    let waits = TaskRow { status: TaskStatus::Pending, error: Some("technical: away".into()), ..orphan(1) };
    // Another one of the same content runs, perhaps in another runtime: it is not to be touched.
    record_all(&Recorder::start(&db), [orphan(2), waits]).await;
    let retry = |attempt| TakeOver { attempt, redelivered: false, ..message(&[]) };
    assert_eq!(db.take_over(&retry(1)).await.unwrap(), None);
    assert_eq!(db.take_over(&retry(2)).await.unwrap(), Some(Taken::Row(id(1))));
    // Redelivered, and not begun before.
    let stored = db.find_task(id(1)).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.attempt, stored.error), (TaskStatus::Pending, 2, None));
    // Another one of the same attempt finds no row that waits; but the same one, if it did not hear of its own.
    let another = TakeOver { runtime_id: "runtime-3", ..retry(2) };
    assert_eq!(db.take_over(&another).await.unwrap(), None);
    assert_eq!(db.take_over(&retry(2)).await.unwrap(), Some(Taken::Row(id(1))));
    let redelivered = TakeOver { attempt: 2, ..message(&[]) };
    assert_eq!(db.take_over(&redelivered).await.unwrap(), Some(Taken::Row(id(1))));
}

async fn a_task_without_payload_is_taken_over(test: TestDatabase) {
    let db = test.connect().await;
    let bare = TaskRow { correlation_id: Some("c".into()), payload: None, ..pending(1) };
    record_all(&Recorder::start(&db), [bare]).await;
    let bare = TakeOver { payload: None, attempt: 0, ..message(&[]) };
    assert_eq!(db.take_over(&bare).await.unwrap(), Some(Taken::Row(id(1))));
}
