//! What is old and over is deleted, and nothing else.

use std::{ops::ControlFlow, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use tokio::task::JoinSet;
use warren::lifecycle::{
    AttemptOutcome, AttemptRow, Cancelled, Database, DelayedTask, EventFilter, LEAST_AGE, Old, Recorder, TaskFilter,
    TaskRow, TaskStatus,
};

use crate::{
    database::TestDatabase,
    rows::{completed, event, failed, id, pending, running},
};

crate::on_both_databases!(
    what_is_over_and_old_goes_with_its_attempts_and_nothing_else_does,
    what_is_not_over_stays_however_old_it_is,
    what_was_over_lately_stays_however_long_it_waited,
    what_waits_for_its_time_stays,
    what_was_cancelled_within_seven_days_stays,
    nothing_younger_than_an_hour_goes,
    old_events_go_by_their_own_word,
    the_oldest_go_first_a_batch_at_a_time,
    two_at_once_delete_each_row_once,
    one_that_is_killed_leaves_whole_tasks_and_the_next_one_goes_on,
    rows_arrive_while_others_go,
    of_many_runtimes_one_deletes_at_a_time,
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

fn days_ago(db: &Database, days: i64) -> DateTime<Utc> {
    db.clock().now() - TimeDelta::days(days)
}

/// The row as if all of it had happened then, with one attempt.
fn back_then(row: TaskRow, then: DateTime<Utc>) -> TaskRow {
    let mut attempt = AttemptRow::begun(0, "runtime-1".into(), then);
    attempt.end(AttemptOutcome::Completed, None, then);
    let finished_at = row.status.is_final().then_some(then);
    TaskRow { created_at: then, started_at: Some(then), finished_at, attempts: vec![attempt], ..row }
}

async fn record(db: &Database, rows: impl IntoIterator<Item = TaskRow>) {
    let recorder = Recorder::start(db);
    for recorded in join_all(rows.into_iter().map(|row| recorder.record(row))).await {
        recorded.unwrap();
    }
}

fn go_on(_batch: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Deletes all tasks that are older; gives how many.
async fn prune_tasks(db: &Database, age: Duration) -> u64 {
    let mut deleted = 0;
    for old in Old::TASKS {
        let counted = db.count_old(old, age).await.unwrap();
        let now = db.prune(old, age, go_on).await.unwrap();
        assert_eq!(now, counted, "{old:?}");
        deleted += now;
    }
    deleted
}

/// The numbers of the tasks that are there, in order.
async fn left(db: &Database) -> Vec<u128> {
    let tasks = db.list_tasks(&TaskFilter::default(), 10_000, None).await.unwrap();
    let mut left: Vec<_> = tasks.iter().map(|task| task.id.as_u128() - 1).collect();
    left.sort_unstable();
    left
}

/// Rows of a table that belong to no task.
async fn orphans(db: &Database, table: &str) -> i64 {
    of_one_without_the_other(db, table, "task_store").await
}

/// Rows of a table whose task has none in the other, both as they were at one moment.
async fn of_one_without_the_other(db: &Database, one: &str, other: &str) -> i64 {
    #[derive(FromQueryResult)]
    struct Count {
        n: i64,
    }
    let sql = format!("SELECT count(*) AS n FROM {one} WHERE id_task NOT IN (SELECT id_task FROM {other})");
    let statement = Statement::from_string(db.connection().get_database_backend(), sql);
    Count::find_by_statement(statement).one(db.connection()).await.unwrap().unwrap().n
}

async fn what_is_over_and_old_goes_with_its_attempts_and_nothing_else_does(test: TestDatabase) {
    let db = test.connect().await;
    let cancelled = TaskRow { status: TaskStatus::Cancelled, message_id: Some("m-3".into()), ..failed(3, 0, 1) };
    let (old, young) = (days_ago(&db, 31), days_ago(&db, 29));
    let rows = [completed(1, 0, 1), failed(2, 0, 1), cancelled];
    record(&db, rows.clone().map(|row| back_then(row, old))).await;
    record(&db, [completed(11, 0, 1), failed(12, 0, 1)].map(|row| back_then(row, young))).await;
    let note = "INSERT INTO task_cancel SELECT id_task, created_at FROM task_store";
    db.connection().execute_unprepared(note).await.unwrap();
    assert_eq!(prune_tasks(&db, MONTH).await, 3);
    assert_eq!(left(&db).await, [11, 12]);
    assert_eq!((orphans(&db, "task_attempt").await, orphans(&db, "task_cancel").await), (0, 0));
    assert_eq!(db.attempts_of(id(11)).await.unwrap().len(), 1);
    assert_eq!(prune_tasks(&db, MONTH).await, 0);
}

async fn what_is_not_over_stays_however_old_it_is(test: TestDatabase) {
    let db = test.connect().await;
    let old = days_ago(&db, 400);
    let waits = TaskRow { error: Some("technical: away".into()), ..pending(3) };
    record(&db, [pending(1), running(2, 0, 1), waits].map(|row| back_then(row, old))).await;
    assert_eq!(prune_tasks(&db, DAY).await, 0);
    assert_eq!(left(&db).await, [1, 2, 3]);
    assert!(TaskStatus::ALL.into_iter().all(|status| Old::of_status(status).is_some() == status.is_final()));
}

async fn what_was_over_lately_stays_however_long_it_waited(test: TestDatabase) {
    let db = test.connect().await;
    let row = back_then(completed(1, 0, 1), days_ago(&db, 40));
    record(&db, [TaskRow { finished_at: Some(days_ago(&db, 1)), ..row }]).await;
    assert_eq!(prune_tasks(&db, MONTH).await, 0);
    assert_eq!(left(&db).await, [1]);
}

async fn what_waits_for_its_time_stays(test: TestDatabase) {
    let db = test.connect().await;
    // It was asked for once more, and is to be executed when its time has come.
    let row = TaskRow { message_id: Some("m-1".into()), ..back_then(failed(1, 0, 1), days_ago(&db, 40)) };
    let message = DelayedTask {
        id_task: id(1),
        due_at: db.clock().now() + TimeDelta::hours(1),
        claimed_until: None,
        routing_key: "routing.task.process.order".into(),
        task_name: "process_order".into(),
        payload: "{}".into(),
        producer_app: "shop".into(),
        correlation_id: "order-1".into(),
        message_id: "m-1".into(),
        reply_to: None,
        traceparent: None,
        tracestate: None,
        priority: None,
    };
    record(&db, [row.clone()]).await;
    db.delay(row, message).await.unwrap();
    assert_eq!(prune_tasks(&db, MONTH).await, 0);
    assert!(db.due_at(id(1)).await.unwrap().is_some());
}

async fn what_was_cancelled_within_seven_days_stays(test: TestDatabase) {
    let db = test.connect().await;
    // Its message may lie in a queue yet, and is not to be executed when it comes.
    let row = TaskRow { message_id: Some("m-1".into()), created_at: days_ago(&db, 40), ..pending(1) };
    record(&db, [row]).await;
    assert_eq!(db.cancel(id(1)).await.unwrap(), Cancelled::AtOnce);
    let cancelled = |n| TaskRow { status: TaskStatus::Cancelled, ..failed(n, 0, 1) };
    record(&db, [back_then(cancelled(2), days_ago(&db, 6)), back_then(cancelled(3), days_ago(&db, 8))]).await;
    assert_eq!(prune_tasks(&db, DAY).await, 1);
    assert_eq!(left(&db).await, [1, 2]);
}

async fn nothing_younger_than_an_hour_goes(test: TestDatabase) {
    let db = test.connect().await;
    let ago = |time: Duration| db.clock().now() - time;
    let rows = [(1, LEAST_AGE / 2), (2, LEAST_AGE * 2)];
    record(&db, rows.map(|(n, time)| back_then(completed(n, 0, 1), ago(time)))).await;
    assert_eq!(prune_tasks(&db, Duration::ZERO).await, 1);
    assert_eq!(left(&db).await, [1]);
}

async fn old_events_go_by_their_own_word(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    for (n, days) in [(1, 40), (2, 31), (3, 29)] {
        let mut event = event(n);
        event.created_at = days_ago(&db, days);
        recorder.record_event(event).await.unwrap();
    }
    assert_eq!(prune_tasks(&db, MONTH).await, 0);
    assert_eq!(db.count_old(Old::Events, MONTH).await.unwrap(), 2);
    assert_eq!(db.prune(Old::Events, MONTH, go_on).await.unwrap(), 2);
    let events = db.list_events(&EventFilter::default(), 10, None).await.unwrap();
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [id(3)]);
}

/// So many COMPLETED tasks, the first one the oldest, each a second younger than the one before.
async fn many(db: &Database, count: usize) {
    let begin = days_ago(db, 40);
    let then = |n: usize| begin + TimeDelta::seconds(i64::try_from(n).unwrap());
    record(db, (0..count).map(|n| back_then(completed(n, 0, 1), then(n)))).await;
}

async fn the_oldest_go_first_a_batch_at_a_time(test: TestDatabase) {
    let db = test.connect().await;
    many(&db, 2_300).await;
    let mut batches = Vec::new();
    let deleted = db.prune(Old::Completed, MONTH, |batch| {
        batches.push(batch);
        ControlFlow::Break(())
    });
    assert_eq!(deleted.await.unwrap(), 1_000);
    assert_eq!(left(&db).await, (1_000..2_300).collect::<Vec<u128>>());
    let deleted = db.prune(Old::Completed, MONTH, |batch| {
        batches.push(batch);
        ControlFlow::Continue(())
    });
    assert_eq!(deleted.await.unwrap(), 1_300);
    assert_eq!(batches, [1_000, 1_000, 300]);
    assert_eq!(orphans(&db, "task_attempt").await, 0);
}

async fn two_at_once_delete_each_row_once(test: TestDatabase) {
    let db = test.connect().await;
    many(&db, 5_000).await;
    let mut prunes = JoinSet::new();
    for _ in 0..2 {
        let db = db.clone();
        prunes.spawn(async move { db.prune(Old::Completed, MONTH, go_on).await.unwrap() });
    }
    let deleted: u64 = prunes.join_all().await.into_iter().sum();
    // One passes over what the other is at: that is gone, or is deleted by the next run.
    let rest = db.prune(Old::Completed, MONTH, go_on).await.unwrap();
    assert_eq!((deleted + rest, rest), (5_000, 0));
    assert_eq!((left(&db).await.len(), orphans(&db, "task_attempt").await), (0, 0));
}

async fn one_that_is_killed_leaves_whole_tasks_and_the_next_one_goes_on(test: TestDatabase) {
    let db = test.connect().await;
    many(&db, 6_000).await;
    for n in 0..4 {
        // Dropped in the middle of a batch, wherever that is.
        let _cut_off =
            tokio::time::timeout(Duration::from_millis(3 + 7 * n), db.prune(Old::Completed, MONTH, go_on)).await;
    }
    // The last batch may still be at work in the database, which has not heard that nobody waits for it.
    assert_eq!(orphans(&db, "task_attempt").await, 0);
    assert_eq!(of_one_without_the_other(&db, "task_store", "task_attempt").await, 0);
    while !left(&db).await.is_empty() {
        db.prune(Old::Completed, MONTH, go_on).await.unwrap();
    }
    assert_eq!(orphans(&db, "task_attempt").await, 0);
}

async fn rows_arrive_while_others_go(test: TestDatabase) {
    let db = test.connect().await;
    many(&db, 3_000).await;
    let (writes, now) = (db.clone(), db.clock().now());
    let writing = tokio::spawn(async move {
        for chunk in 0..20 {
            record(&writes, (0..10).map(|n| back_then(completed(10_000 + chunk * 10 + n, 0, 1), now))).await;
        }
    });
    assert_eq!(db.prune(Old::Completed, MONTH, go_on).await.unwrap(), 3_000);
    writing.await.unwrap();
    assert_eq!(left(&db).await, (10_000..10_200).collect::<Vec<u128>>());
}

async fn of_many_runtimes_one_deletes_at_a_time(test: TestDatabase) {
    let db = test.connect().await;
    let mut claims = JoinSet::new();
    for n in 0..8 {
        let db = db.clone();
        claims.spawn(async move { (n, db.claim_retention(&format!("r-{n}"), DAY).await.unwrap()) });
    }
    let got: Vec<i32> = claims.join_all().await.into_iter().filter(|(_, got)| *got).map(|(n, _)| n).collect();
    let [holder] = got.as_slice() else { panic!("{got:?} have it") };
    let (holder, other) = (format!("r-{holder}"), "r-other");
    assert!(!db.claim_retention(&holder, DAY).await.unwrap(), "its time has not come");
    assert!(!db.keep_retention(other, DAY).await.unwrap());
    assert!(db.keep_retention(&holder, Duration::ZERO).await.unwrap());
    assert!(db.claim_retention(other, DAY).await.unwrap(), "what has run out is anybody's");
    assert!(!db.keep_retention(&holder, DAY).await.unwrap(), "who has lost it knows");
}
