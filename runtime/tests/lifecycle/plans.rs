//! That a statement which runs for each message takes an index, also where its plan was made when the table was empty.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement};
use tokio::time::timeout;

use crate::{database::TestDatabase, rows::id};

/// Postgres makes a statement's last plan at the sixth time that it is run.
const PLANNED: i32 = 10;

const ROWS: i64 = 10_000;

#[derive(FromQueryResult)]
struct Number {
    n: i64,
}

/// The one number that is asked for, as `n`.
pub(super) async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    Number::find_by_statement(statement).one(db).await.unwrap().unwrap().n
}

/// Statistics would have plans made anew: they come within a minute, and a burst does not wait for that.
const WITHOUT_STATISTICS: &str = "ALTER TABLE task_store SET (autovacuum_enabled = false); \
     ALTER TABLE task_cancel SET (autovacuum_enabled = false)";

/// How many rows of the table a session that is over has read one after the other; `scans`: the least that it has asked for.
async fn read_in_order(aside: &DatabaseConnection, table: &str, scans: i64) -> i64 {
    // What a session has read is told when it ends.
    let of = |what| format!("SELECT {what} AS n FROM pg_stat_user_tables WHERE relname = '{table}'");
    let told = async {
        while number(aside, &of("seq_scan + coalesce(idx_scan, 0)")).await < scans {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(120), told).await.expect("the session tells what it has read");
    number(aside, &of("seq_tup_read")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_made_for_an_empty_table_reads_no_full_one() {
    let mut test = TestDatabase::postgres().await;
    // One that reads: each session has its own plans.
    test.config.max_connections = 4;
    let (db, aside) = (test.connect().await, test.aside().await);
    aside.execute_unprepared(WITHOUT_STATISTICS).await.unwrap();
    let ids: Vec<_> = (0..50).map(id).collect();
    for _ in 0..PLANNED {
        assert!(db.states_of(&ids).await.unwrap().is_empty());
    }
    let fill = format!(
        "INSERT INTO task_store (id_task, created_at, status) \
         SELECT gen_random_uuid(), now(), 'COMPLETED' FROM generate_series(1, {ROWS})"
    );
    aside.execute_unprepared(&fill).await.unwrap();
    // One that is open: it may be one of many that are to be cancelled.
    let open = format!(
        "INSERT INTO task_store (id_task, created_at, status) VALUES ('{}', now(), 'PENDING'); \
         INSERT INTO task_cancel (id_task, requested_at) SELECT gen_random_uuid(), now() FROM generate_series(1, {ROWS})",
        id(0)
    );
    aside.execute_unprepared(&open).await.unwrap();
    for _ in 0..PLANNED {
        let states = db.states_of(&ids).await.unwrap();
        assert_eq!((states.len(), states[&id(0)].to_be_cancelled), (1, false));
    }
    db.close().await;
    // A look at each id.
    let looks = 2 * i64::from(PLANNED) * i64::try_from(ids.len()).unwrap();
    let read = read_in_order(&aside, "task_store", looks).await;
    assert!(read < ROWS, "{read} rows were read to find one");
    let read = read_in_order(&aside, "task_cancel", PLANNED.into()).await;
    assert!(read < ROWS, "{read} wishes to cancel were read to find none");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_are_kept_in_rows_are_found_by_the_keys() {
    let mut test = TestDatabase::postgres().await;
    test.config.max_connections = 4;
    let (db, aside) = (test.connect().await, test.aside().await);
    aside.execute_unprepared(WITHOUT_STATISTICS).await.unwrap();
    let fill = format!(
        "INSERT INTO task_store (id_task, created_at, task_name, status, attempt, runtime_id, started_at, finished_at, \
         id_attempt) SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid), now() - n * interval '1 s', 'c-' || n % 10, \
         'COMPLETED', 0, 'r-1', now(), now(), gen_random_uuid() FROM generate_series(1, {ROWS}) AS n"
    );
    aside.execute_unprepared(&fill).await.unwrap();
    for n in 0..PLANNED {
        assert_eq!(db.attempts_of(id(usize::try_from(n).unwrap())).await.unwrap().len(), 1);
        assert_eq!(db.usage_of("c-3").await.unwrap().completed, 1_000);
    }
    db.close().await;
    let read = read_in_order(&aside, "task_store", 2 * i64::from(PLANNED)).await;
    assert!(read < ROWS, "{read} rows were read to find {PLANNED}, and {PLANNED} times a thousand");
}
