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

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_made_for_an_empty_table_reads_no_full_one() {
    let mut test = TestDatabase::postgres().await;
    // One that reads: each session has its own plans.
    test.config.max_connections = 4;
    let (db, aside) = (test.connect().await, test.aside().await);
    // Statistics would have the plan made anew: they come within a minute, and a burst does not wait for that.
    aside.execute_unprepared("ALTER TABLE task_store SET (autovacuum_enabled = false)").await.unwrap();
    let ids: Vec<_> = (0..50).map(id).collect();
    for _ in 0..PLANNED {
        assert!(db.states_of(&ids).await.unwrap().is_empty());
    }
    let fill = format!(
        "INSERT INTO task_store (id_task, created_at, status) \
         SELECT gen_random_uuid(), now(), 'COMPLETED' FROM generate_series(1, {ROWS})"
    );
    aside.execute_unprepared(&fill).await.unwrap();
    for _ in 0..PLANNED {
        assert!(db.states_of(&ids).await.unwrap().is_empty());
    }
    // What a session has read is told when it ends.
    db.close().await;
    let scans = "SELECT seq_scan + coalesce(idx_scan, 0) AS n FROM pg_stat_user_tables WHERE relname = 'task_store'";
    let told = async {
        while number(&aside, scans).await < 2 * i64::from(PLANNED) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(120), told).await.expect("the session tells what it has read");
    let read = "SELECT seq_tup_read AS n FROM pg_stat_user_tables WHERE relname = 'task_store'";
    let read = number(&aside, read).await;
    assert!(read < ROWS, "{read} rows were read to find none");
}
