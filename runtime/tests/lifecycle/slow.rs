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
