//! Rows that are presumed new are copied into Postgres; and whatever was presumed, the record is the same.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use warren::{
    lifecycle::{AttemptRow, Database, EventRow, Novelty, RecordError, Recorder, TaskRow, TaskStatus},
    receipt::{HttpReceipt, Receipt},
};

use super::{
    kept_attempts::{attempt, with},
    outage,
    plans::number,
};
use crate::{
    database::TestDatabase,
    rows::{completed, event, failed, id, pending, running},
};

crate::on_both_databases!(
    what_is_new_is_stored_as_it_was_recorded,
    one_task_that_is_stored_already_keeps_no_other_from_being_stored,
    what_had_to_be_new_is_stored_only_where_nothing_is,
    an_event_that_is_stored_already_keeps_no_other_from_being_stored,
);

const MANY: usize = 40;

/// Has all of these recorded in one statement, or as few as can be.
async fn at_once<T>(
    test: &TestDatabase,
    recorder: &Recorder,
    records: impl IntoIterator<Item = impl Future<Output = T>>,
) {
    let outage = test.begin_outage().await;
    // They occupy the writers, so that what comes then waits together.
    let (task, occupying) = (completed(1_000, 0, 1), recorder.clone());
    let first = tokio::spawn(async move { occupying.record(task).await });
    let occupying = recorder.clone();
    let second = tokio::spawn(async move { occupying.record_event(event(1_000)).await });
    outage::red(recorder).await;
    tokio::join!(join_all(records), outage.end());
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
}

fn new(row: TaskRow) -> TaskRow {
    TaskRow { novelty: Novelty::Presumed, ..row }
}

fn as_read(row: &TaskRow) -> TaskRow {
    TaskRow { novelty: Novelty::Unknown, attempts: Vec::new(), ..row.clone() }
}

async fn what_is_new_is_stored_as_it_was_recorded(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let http = HttpReceipt { requests: 2, sent: 300, received: 5_000_000_000, hosts: vec!["a.example.com:443".into()] };
    let (cpu, wall, log) = (Duration::from_micros(1_500), Duration::from_millis(2), "ä\n".to_owned());
    let receipt = Receipt { cpu, wall, memory: 65_536, payload: 2, result: 3, http, log_bytes: 3, log };
    let rich = AttemptRow { receipt: Some(receipt), ..attempt(0, 1) };
    let row = |n: usize| match n % 4 {
        0 => with(completed(n, 0, 1), &[&rich]),
        1 => {
            TaskRow {
                payload: Some(r#"{"ü": [1.50, null, "\n"]}"#.into()), message_id: Some("m".into()), ..pending(n)
            }
        }
        2 => TaskRow::new(id(n), pending(n).created_at),
        _ => failed(n, 3, 1),
    };
    let rows: Vec<TaskRow> = (0..MANY).map(|n| new(row(n))).collect();
    at_once(&test, &recorder, rows.iter().map(async |row| recorder.record(row.clone()).await.unwrap())).await;
    for row in &rows {
        assert_eq!(db.find_task(row.id).await.unwrap(), Some(as_read(row)));
    }
    // The same is told of an attempt, however its row was written.
    recorder.record(with(completed(500, 0, 1), &[&rich])).await.unwrap();
    let (mut copied, upserted) = (db.attempts_of(id(0)).await.unwrap(), db.attempts_of(id(500)).await.unwrap());
    copied[0].id_task = id(500);
    assert_eq!(copied, upserted);
}

async fn one_task_that_is_stored_already_keeps_no_other_from_being_stored(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record(completed(7, 0, 1)).await.unwrap();
    let rows: Vec<TaskRow> = (0..MANY).map(|n| new(failed(n, 0, 5))).collect();
    at_once(&test, &recorder, rows.iter().map(async |row| recorder.record(row.clone()).await.unwrap())).await;
    for row in rows.iter().filter(|row| row.id != id(7)) {
        assert_eq!(db.find_task(row.id).await.unwrap(), Some(as_read(row)));
    }
    assert_eq!(db.find_task(id(7)).await.unwrap(), Some(completed(7, 0, 1)), "COMPLETED stays for good");
}

async fn what_had_to_be_new_is_stored_only_where_nothing_is(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let cancelled = TaskRow { status: TaskStatus::Cancelled, ..failed(3, 0, 1) };
    let stored = [pending(0), running(1, 0, 1), failed(2, 0, 1), cancelled, completed(4, 0, 1)];
    for row in &stored {
        recorder.record(row.clone()).await.unwrap();
    }
    let executed = attempt(0, 5);
    let row = |n: usize| TaskRow { novelty: Novelty::Required, ..with(completed(n, 0, 5), &[&executed]) };
    // Alone, few, and as many as are copied.
    for tried in [0..1, 0..8, 0..MANY, 0..MANY] {
        at_once(
            &test,
            &recorder,
            tried.map(async |n| {
                // What was written before, by this very attempt, counts as written.
                let expected = if n < stored.len() { Err(RecordError::Stands) } else { Ok(()) };
                assert_eq!(recorder.record(row(n)).await, expected, "{n}");
            }),
        )
        .await;
    }
    for row in &stored {
        assert_eq!(db.find_task(row.id).await.unwrap().as_ref(), Some(row));
    }
    for n in stored.len()..MANY {
        assert_eq!(db.find_task(id(n)).await.unwrap(), Some(as_read(&row(n))));
    }
    // Another attempt at what is stored by now, with some that are new.
    let other = attempt(0, 9);
    let late = |n: usize| TaskRow { novelty: Novelty::Required, ..with(completed(n, 0, 9), &[&other]) };
    at_once(
        &test,
        &recorder,
        (MANY - 5..2 * MANY).map(async |n| {
            let expected = if n < MANY { Err(RecordError::Stands) } else { Ok(()) };
            assert_eq!(recorder.record(late(n)).await, expected, "{n}");
        }),
    )
    .await;
    assert_eq!(db.find_task(id(MANY - 1)).await.unwrap(), Some(as_read(&row(MANY - 1))));
    assert_eq!(db.find_task(id(MANY)).await.unwrap(), Some(as_read(&late(MANY))));
}

async fn an_event_that_is_stored_already_keeps_no_other_from_being_stored(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record_event(event(7)).await.unwrap();
    let row = |n| EventRow { presumed_new: true, payload: Some("2".into()), headers: None, ..event(n) };
    at_once(&test, &recorder, (0..MANY).map(async |n| recorder.record_event(row(n)).await.unwrap())).await;
    assert_eq!(number(db.connection(), "SELECT count(*) AS n FROM event_store").await, MANY as i64 + 1);
    assert_eq!(db.find_event(id(7)).await.unwrap(), Some(event(7)));
    assert_eq!(db.find_event(id(8)).await.unwrap(), Some(EventRow { presumed_new: false, ..row(8) }));
}

/// What the statements were that have inserted rows, by their first word, and how many rows.
async fn statements(db: &Database, word: &str) -> i64 {
    number(db.connection(), &format!("SELECT count(*) AS n FROM inserted_by WHERE word = '{word}'")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_are_new_are_copied_and_few_or_others_are_not() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    db.connection()
        .execute_unprepared(
            "CREATE TABLE inserted_by (word text);
             CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO inserted_by VALUES (split_part(current_query(), ' ', 1)); RETURN NEW; END $$;
             CREATE TRIGGER tell BEFORE INSERT ON task_store FOR EACH ROW EXECUTE FUNCTION tell()",
        )
        .await
        .unwrap();
    let recorder = Recorder::start(&db);
    let (old, fresh) = (5, MANY - 5);
    let record = async |n: usize| {
        let row = completed(n, 0, 1);
        recorder.record(if n < old { row } else { new(row) }).await.unwrap();
    };
    at_once(&test, &recorder, (0..MANY).map(record)).await;
    // And the one that has occupied the writer.
    let told = (statements(&db, "COPY").await, statements(&db, "INSERT").await);
    assert_eq!(told, (fresh as i64, old as i64 + 1));
    recorder.record(new(completed(500, 0, 1))).await.unwrap();
    assert_eq!(statements(&db, "COPY").await, fresh as i64, "one alone is not copied");
    // After a conflict the next ones are upserts.
    at_once(&test, &recorder, (0..MANY).map(record)).await;
    let copied = statements(&db, "COPY").await;
    at_once(&test, &recorder, (MANY..2 * MANY).map(record)).await;
    assert_eq!(statements(&db, "COPY").await, copied);
    assert_eq!(number(db.connection(), "SELECT count(*) AS n FROM task_store").await, 2 * MANY as i64 + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_copied_rows_are_inserted_together() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let view = "ALTER TABLE task_store RENAME TO stored; CREATE VIEW task_store AS SELECT * FROM stored";
    db.connection().execute_unprepared(view).await.unwrap();
    let recorder = Recorder::start(&db);
    for round in 0..3 {
        let before = recorder.written().statements;
        let rows = (round * MANY..(round + 1) * MANY).map(|n| new(completed(n, 0, 1)));
        at_once(&test, &recorder, rows.map(async |row| recorder.record(row).await.unwrap())).await;
        // The rows, and the task and the event that have occupied the writers: nothing was halved.
        assert_eq!(recorder.written().statements, before + 3);
    }
    assert_eq!(number(db.connection(), "SELECT count(*) AS n FROM task_store").await, 3 * MANY as i64 + 1);
}
