//! Lists by class of error and by time, alone and beside other words.

use std::time::Duration;

use chrono::TimeDelta;
use warren::{
    lifecycle::{Cursor, Database, Moment, QueryError, Recorder, TaskFilter, TaskRow, TaskStatus},
    outcome::{ErrorClass, Failure},
};

use crate::{
    database::TestDatabase,
    rows::{at, completed, failed, id, pending},
};

crate::on_both_databases!(
    tasks_are_listed_by_the_class_of_their_error,
    tasks_are_listed_by_time_from_the_first_moment_on_and_before_the_last,
    how_long_ago_counts_by_the_clock_of_the_database,
    pages_of_a_filter_show_each_row_once_while_others_arrive,
);

fn with_error(n: usize, class: ErrorClass) -> TaskRow {
    TaskRow { error: Some(Failure::new(class, "it: happened").to_string().into()), ..failed(n, 0, 1) }
}

async fn record(db: &Database, rows: impl IntoIterator<Item = TaskRow>) {
    let recorder = Recorder::start(db);
    for row in rows {
        recorder.record(row).await.unwrap();
    }
}

/// The numbers of the tasks, newest first.
async fn list(db: &Database, filter: &TaskFilter) -> Vec<u128> {
    let tasks = db.list_tasks(filter, 100, None).await.unwrap();
    tasks.iter().map(|task| task.id.as_u128() - 1).collect()
}

async fn tasks_are_listed_by_the_class_of_their_error(test: TestDatabase) {
    let db = test.connect().await;
    let waits = TaskRow { error: Some("timeout: long".into()), ..pending(20) };
    let odd = ["timeouts: x", "Timeout: x", "", ": timeout: x"].into_iter().enumerate();
    let odd = odd.map(|(n, error)| TaskRow { error: Some(error.into()), ..failed(30 + n, 0, 1) });
    let each = ErrorClass::ALL.into_iter().enumerate().map(|(n, class)| with_error(n, class));
    record(&db, each.chain([waits, completed(21, 0, 1)]).chain(odd)).await;
    let of_class = |class| TaskFilter { class: Some(class), ..TaskFilter::default() };
    for (n, class) in ErrorClass::ALL.into_iter().enumerate() {
        let expected = if class == ErrorClass::Timeout { vec![20, n as u128] } else { vec![n as u128] };
        assert_eq!(list(&db, &of_class(class)).await, expected, "{class}");
    }
    let waiting = TaskFilter { status: Some(TaskStatus::Pending), ..of_class(ErrorClass::Timeout) };
    assert_eq!(list(&db, &waiting).await, [20]);
    let of_nobody = TaskFilter { task_name: Some("nobody".into()), ..of_class(ErrorClass::Timeout) };
    assert_eq!(list(&db, &of_nobody).await, [0_u128; 0]);
}

async fn tasks_are_listed_by_time_from_the_first_moment_on_and_before_the_last(test: TestDatabase) {
    let db = test.connect().await;
    // Fractions of the same second, shorter and longer.
    let fraction = |n: usize, micros| TaskRow { created_at: at(3) + TimeDelta::microseconds(micros), ..pending(n) };
    record(&db, (0..6).map(pending).chain([fraction(6, 100), fraction(7, 120_000), fraction(8, 120_001)])).await;
    let between = |since, until| TaskFilter {
        since: Some(Moment::At(since)),
        until: Some(Moment::At(until)),
        ..TaskFilter::default()
    };
    assert_eq!(list(&db, &between(at(2), at(4))).await, [8, 7, 6, 3, 2]);
    assert_eq!(
        list(&db, &between(at(3) + TimeDelta::microseconds(100), at(3) + TimeDelta::microseconds(120_001))).await,
        [7, 6]
    );
    assert_eq!(list(&db, &between(at(4), at(2))).await, [0_u128; 0]);
    let named = TaskFilter { task_name: Some("process_order".into()), ..between(at(5), at(9)) };
    assert_eq!(list(&db, &named).await, [5]);
    let since = TaskFilter { since: Some(Moment::At(at(4))), ..TaskFilter::default() };
    assert_eq!(list(&db, &since).await, [5, 4]);
}

async fn how_long_ago_counts_by_the_clock_of_the_database(test: TestDatabase) {
    let db = test.connect().await;
    let ago = |n: usize, hours| TaskRow { created_at: db.clock().now() - TimeDelta::hours(hours), ..pending(n) };
    record(&db, [ago(1, 1), ago(3, 3), ago(5, 5)]).await;
    let hours = |hours: u64| Some(Moment::Ago(Duration::from_secs(hours * 3600)));
    let between = |since, until| TaskFilter { since, until, ..TaskFilter::default() };
    assert_eq!(list(&db, &between(hours(4), None)).await, [1, 3]);
    assert_eq!(list(&db, &between(hours(4), hours(2))).await, [3]);
    assert_eq!(list(&db, &between(Some(Moment::Ago(Duration::MAX)), hours(4))).await, [5]);
}

async fn pages_of_a_filter_show_each_row_once_while_others_arrive(test: TestDatabase) {
    let db = test.connect().await;
    let class = |n| if n % 2 == 0 { ErrorClass::Trap } else { ErrorClass::Timeout };
    record(&db, (0..30).map(|n| with_error(n, class(n)))).await;
    let filter = TaskFilter {
        class: Some(ErrorClass::Trap),
        status: Some(TaskStatus::Failed),
        since: Some(Moment::At(at(4))),
        ..TaskFilter::default()
    };
    let (mut seen, mut after) = (Vec::new(), None::<Cursor>);
    for page in 0.. {
        let tasks = db.list_tasks(&filter, 4, after).await.unwrap();
        let Some(last) = tasks.last() else { break };
        after = Some(last.cursor().to_string().parse().unwrap());
        seen.extend(tasks.iter().map(|task| task.id));
        record(&db, [with_error(100 + page, ErrorClass::Trap)]).await;
    }
    assert_eq!(seen, (4..30).rev().filter(|n| n % 2 == 0).map(id).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_reads_too_much_is_given_up_and_says_what_to_ask() {
    use sea_orm::ConnectionTrait;

    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let aside = test.aside().await;
    // Every row takes a second to be looked at: what waits is the server, whatever the machine. What is asked for is looked at before.
    for statement in [
        "CREATE FUNCTION looked_at() RETURNS boolean LANGUAGE plpgsql COST 1000000 AS \
         'BEGIN PERFORM pg_sleep(1); RETURN true; END'",
        "ALTER TABLE task_store RENAME TO task_store_behind",
        "CREATE VIEW task_store AS SELECT * FROM task_store_behind WHERE looked_at()",
        "INSERT INTO task_store_behind (id_task, created_at, status, producer_app, message_id) \
         SELECT gen_random_uuid(), now(), 'COMPLETED', 'shop', 'order-17' FROM generate_series(1, 60)",
    ] {
        aside.execute_unprepared(statement).await.unwrap();
    }
    let error = db.list_tasks(&TaskFilter::default(), 100, None).await.unwrap_err();
    assert!(matches!(error, QueryError::TooWide { .. }), "{error:?}");
    assert!(error.to_string().contains("--since 1h"), "{error}");
    let of_message = TaskFilter { message_id: Some("order-17".into()), ..TaskFilter::default() };
    let error = db.list_tasks(&of_message, 100, None).await.unwrap_err().to_string();
    assert!(error.contains("--producer shop"), "{error}");
    // By the keys of that message, which none of these rows has.
    let by_key = TaskFilter { producer_app: Some("shop".into()), ..of_message.clone() };
    assert_eq!(db.list_tasks(&by_key, 100, None).await.unwrap(), []);
    let of_none = TaskFilter { message_id: Some(String::new()), ..by_key };
    assert_eq!(db.list_tasks(&of_none, 100, None).await.unwrap(), []);
    // The connection is as good as before.
    for statement in ["DROP VIEW task_store", "ALTER TABLE task_store_behind RENAME TO task_store"] {
        aside.execute_unprepared(statement).await.unwrap();
    }
    assert_eq!(db.list_tasks(&TaskFilter::default(), 100, None).await.unwrap().len(), 60);
}
