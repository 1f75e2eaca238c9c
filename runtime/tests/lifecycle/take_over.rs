//! A redelivered message without an id gets the row that it had before its runtime died.

use uuid::Uuid;
use warren::lifecycle::{Recorder, TakeOver, TakenOver, TaskRow, TaskStatus};

use crate::{
    database::TestDatabase,
    rows::{at, completed, id, pending, running},
};

crate::on_both_databases!(
    the_unfinished_row_of_the_same_content_is_taken_over,
    rows_of_another_content_are_left_alone,
    each_of_several_equal_messages_gets_a_row_of_its_own,
    a_row_that_waits_for_its_retry_is_taken_last,
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
        at: at(100),
    }
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
    assert_eq!(taken, Some(TakenOver { id: id(1), created_at: at(1), attempt: 1 }));
    let stored = db.find_task(id(1)).await.unwrap().unwrap();
    assert_eq!((stored.runtime_id.as_deref(), stored.started_at), (Some("runtime-2"), Some(at(100))));
    // Another spelling of the same value, as far as blanks go.
    let spaced = r#"{"a":1,"b":[2.50,"x"]}"#;
    assert!(db.take_over(&TakeOver { payload: Some(spaced), ..message(&[]) }).await.unwrap().is_some());
    assert_eq!(db.take_over(&message(&[id(1)])).await.unwrap(), None);
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
    let db = test.connect().await;
    record_all(&Recorder::start(&db), (0..8).map(orphan)).await;
    // Redelivered to two runtimes, one of which does not know what the other took.
    let other = test.open().await;
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let db = if n % 2 == 0 { db.clone() } else { other.clone() };
        callers.spawn(async move { db.take_over(&message(&[])).await.unwrap() });
    }
    let mut taken: Vec<Uuid> = callers.join_all().await.into_iter().flatten().map(|taken| taken.id).collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..8).map(id).collect::<Vec<_>>());
}

async fn a_row_that_waits_for_its_retry_is_taken_last(test: TestDatabase) {
    let db = test.connect().await;
    let waits = TaskRow { status: TaskStatus::Pending, error: Some("technical: away".into()), ..orphan(1) };
    record_all(&Recorder::start(&db), [waits, orphan(2)]).await;
    assert_eq!(db.take_over(&message(&[])).await.unwrap().map(|taken| taken.id), Some(id(2)));
    assert_eq!(db.take_over(&message(&[id(2)])).await.unwrap().map(|taken| taken.id), Some(id(1)));
}

async fn a_message_that_comes_for_a_retry_gets_the_row_that_waits_for_it(test: TestDatabase) {
    let db = test.connect().await;
    let waits = TaskRow { status: TaskStatus::Pending, error: Some("technical: away".into()), ..orphan(1) };
    // Another one of the same content runs, perhaps in another runtime: it is not to be touched.
    record_all(&Recorder::start(&db), [orphan(2), waits]).await;
    let retry = |attempt| TakeOver { attempt, redelivered: false, ..message(&[]) };
    assert_eq!(db.take_over(&retry(1)).await.unwrap(), None);
    assert_eq!(db.take_over(&retry(2)).await.unwrap().map(|taken| taken.id), Some(id(1)));
    // Redelivered, and not begun before.
    let redelivered = TakeOver { attempt: 2, ..message(&[]) };
    assert_eq!(db.take_over(&redelivered).await.unwrap().map(|taken| taken.id), Some(id(1)));
}

async fn a_task_without_payload_is_taken_over(test: TestDatabase) {
    let db = test.connect().await;
    let bare = TaskRow { correlation_id: Some("c".into()), payload: None, ..pending(1) };
    record_all(&Recorder::start(&db), [bare]).await;
    let bare = TakeOver { payload: None, attempt: 0, ..message(&[]) };
    assert_eq!(db.take_over(&bare).await.unwrap().map(|taken| taken.id), Some(id(1)));
}
