//! A database that is there and takes its time.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use tokio::time::timeout;
use warren::lifecycle::{Recorder, TaskFilter};

use super::outage::{finish, green, record_all};
use crate::{database::TestDatabase, rows::id};

/// One row takes far longer than a statement may: alone, and with more and more time, it gets through.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_row_is_set_apart_and_given_the_time_it_needs() {
    let mut test = TestDatabase::postgres().await;
    test.config.statement_timeout = Duration::from_millis(150);
    let db = test.connect().await;
    let slow = format!(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NEW; END $$;
         CREATE TRIGGER slow BEFORE INSERT ON task_store FOR EACH ROW WHEN (NEW.id_task = '{}') EXECUTE FUNCTION slow()",
        id(50)
    );
    test.aside().await.execute_unprepared(&slow).await.unwrap();
    let recorder = Recorder::start(&db);
    let mut health = recorder.health();
    let callers = record_all(&recorder, 0..101);
    timeout(Duration::from_secs(180), finish(callers)).await.expect("the slow row gets through");
    assert!(health.has_changed().unwrap(), "it was never too slow");
    health.mark_unchanged();
    green(&recorder).await;
    assert_eq!(db.list_tasks(&TaskFilter::default(), 1_000, None).await.unwrap().len(), 101);
}

/// Rows that together take longer than the server allows: fewer at once get through.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_exceed_the_time_limit_of_the_server_are_halved_until_they_do_not() {
    let test = TestDatabase::postgres().await;
    drop(test.connect().await);
    let slow =
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$;
         CREATE TRIGGER slow BEFORE INSERT ON task_store FOR EACH ROW EXECUTE FUNCTION slow();
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 800', current_database()); END $$";
    test.aside().await.execute_unprepared(slow).await.unwrap();
    let db = test.open().await;
    let recorder = Recorder::start(&db);
    let callers = record_all(&recorder, 0..24);
    timeout(Duration::from_secs(60), finish(callers)).await.expect("all get through");
    assert_eq!(db.list_tasks(&TaskFilter::default(), 1_000, None).await.unwrap().len(), 24);
}
