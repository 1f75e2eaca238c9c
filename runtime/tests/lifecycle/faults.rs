//! What a database can have wrong with itself. Whatever it is: nothing is answered while it lasts, nothing is refused,
//! and afterwards every row is there.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait};
use tokio::time::{Instant, sleep, timeout};
use warren::lifecycle::{Database, EventFilter, Health, RecordError, Recorder, TaskFilter, TaskRow};

use super::outage::{finish, green, record_all, red};
use crate::{
    database::TestDatabase,
    rows::{completed, id, running},
};

/// Records under a fault that lasts until it is repaired.
async fn ride_out(db: &Database, fault: impl AsyncFnOnce(), repair: impl AsyncFnOnce()) {
    let recorder = Recorder::start(db);
    recorder.record(completed(0, 0, 1)).await.unwrap();
    fault().await;
    let mut callers = record_all(&recorder, 1..200);
    red(&recorder).await;
    assert!(callers.try_join_next().is_none(), "something is answered");
    repair().await;
    finish(callers).await;
    green(&recorder).await;
    assert_eq!(db.list_tasks(&TaskFilter::default(), 1_000, None).await.unwrap().len(), 200);
    assert_eq!(db.list_events(&EventFilter::default(), 1_000, None).await.unwrap().len(), 199);
    assert!(recorder.stop(Duration::from_secs(60)).await);
}

async fn run(db: &impl ConnectionTrait, statement: &str) {
    db.execute_unprepared(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

async fn number(db: &impl ConnectionTrait, select: &str) -> i64 {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, select)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Polls another session's state.
pub(super) async fn until(db: &DatabaseConnection, select: &str, at_least: i64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while number(db, select).await < at_least {
        assert!(Instant::now() < deadline, "{select} does not reach {at_least}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Every statement that inserts raises what the table `fault` says; `tried` counts them.
const FAULTY: &str = "\
    CREATE TABLE fault (code text); INSERT INTO fault VALUES (NULL); CREATE SEQUENCE tried; SELECT nextval('tried');
    CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE c text; BEGIN
        PERFORM nextval('tried');
        SELECT code INTO c FROM fault;
        IF c IS NOT NULL THEN RAISE EXCEPTION 'raised by the test' USING ERRCODE = c; END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER fault BEFORE INSERT ON task_store FOR EACH STATEMENT EXECUTE FUNCTION fault();
    CREATE TRIGGER fault BEFORE INSERT ON event_store FOR EACH STATEMENT EXECUTE FUNCTION fault()";

#[tokio::test(flavor = "multi_thread")]
async fn what_postgres_says_of_itself_is_waited_out() {
    // A full disk, an I/O error, a serialization failure, a deadlock, a cancelled statement, a shutdown.
    join_all(["53100", "58030", "40001", "40P01", "57014", "57P01"].map(says)).await;
}

async fn says(code: &str) {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let aside = test.aside().await;
    run(&aside, FAULTY).await;
    let fault = async || run(&aside, &format!("UPDATE fault SET code = '{code}'")).await;
    let repair = async || {
        let tried = number(&aside, "SELECT last_value FROM tried").await;
        until(&aside, "SELECT last_value FROM tried", tried + 4).await;
        run(&aside, "UPDATE fault SET code = NULL").await;
    };
    ride_out(&db, fault, repair).await;
}

/// Out of memory may be the row's fault; so a row alone is refused for it in the end, but not because of what went before.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_does_not_use_up_the_tries_of_an_error_that_may_be_the_rows() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let aside = test.aside().await;
    run(&aside, FAULTY).await;
    run(&aside, "UPDATE fault SET code = '53100'").await;
    let recorder = Recorder::start(&db);
    let recording = tokio::spawn({
        let recorder = recorder.clone();
        async move { recorder.record(completed(1, 0, 1)).await }
    });
    until(&aside, "SELECT last_value FROM tried", 7).await;
    run(&aside, "UPDATE fault SET code = '53200'").await;
    let tried = number(&aside, "SELECT last_value FROM tried").await;
    until(&aside, "SELECT last_value FROM tried", tried + 2).await;
    run(&aside, "UPDATE fault SET code = NULL").await;
    assert_eq!(recording.await.unwrap(), Ok(()));

    run(&aside, "UPDATE fault SET code = '53200'").await;
    let refused = recorder.record(completed(2, 0, 1)).await;
    assert_eq!(refused, Err(RecordError::Refused { reason: "raised by the test".to_owned() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_more_connections() {
    let mut test = TestDatabase::of_a_role().await;
    test.config.connect_timeout = Duration::from_secs(3);
    let db = test.connect().await;
    let fault = async || {
        test.on_server("ALTER ROLE ROLE_NAME CONNECTION LIMIT 0").await;
        test.cut_connections().await;
    };
    ride_out(&db, fault, async || test.on_server("ALTER ROLE ROLE_NAME CONNECTION LIMIT -1").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_may_only_be_read() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let fault = async || {
        test.on_server("ALTER DATABASE DATABASE_NAME SET default_transaction_read_only = on").await;
        test.cut_connections().await;
    };
    let repair = async || {
        test.on_server("ALTER DATABASE DATABASE_NAME SET default_transaction_read_only = off").await;
        test.cut_connections().await;
    };
    ride_out(&db, fault, repair).await;
}

/// Two transactions that lock the same rows in opposite order: the recorder's is the one that Postgres ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_deadlock() {
    let test = TestDatabase::postgres().await;
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    for n in 0..3 {
        recorder.record(running(n, 0, 1)).await.unwrap();
    }
    // Holds up the writer until both rows wait, so that they go in one statement.
    let (aside, first) = (test.aside().await, test.aside().await.begin().await.unwrap());
    lock(&first, 0).await;
    recorder.announce(completed(0, 0, 1));
    until(&aside, WAITING, 1).await;
    recorder.announce(completed(1, 0, 1));
    let recording = tokio::spawn({
        let recorder = recorder.clone();
        async move { recorder.record(completed(2, 0, 1)).await }
    });
    while recorder.waiting() < 2 {
        sleep(Duration::from_millis(1)).await;
    }
    let other = test.aside().await.begin().await.unwrap();
    run(&other, "SET LOCAL deadlock_timeout = '1h'").await;
    let other_pid = number(&other, "SELECT pg_backend_pid()::bigint").await;
    lock(&other, 2).await;
    first.commit().await.unwrap();
    // Released by the first, held up by the other: now it has row 1.
    until(&aside, &format!("{WAITING} AND {other_pid} = ANY(pg_blocking_pids(pid))"), 1).await;
    let health = recorder.health();
    lock(&other, 1).await;
    red(&recorder).await;
    assert_eq!(*health.borrow(), Health::Unhealthy("tasks can't be recorded: deadlock detected".to_owned()));
    other.commit().await.unwrap();
    assert_eq!(recording.await.unwrap(), Ok(()));
    green(&recorder).await;
}

/// In a database of repeatable reads, a row that another has changed meanwhile can't be written: 40001.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_serialization_failure() {
    let test = TestDatabase::postgres().await;
    test.on_server("ALTER DATABASE DATABASE_NAME SET default_transaction_isolation = 'repeatable read'").await;
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record(running(1, 0, 1)).await.unwrap();
    let other = test.aside().await.begin().await.unwrap();
    lock(&other, 1).await;
    let health = recorder.health();
    let recording = tokio::spawn({
        let recorder = recorder.clone();
        async move { recorder.record(completed(1, 0, 1)).await }
    });
    until(&test.aside().await, WAITING, 1).await;
    other.commit().await.unwrap();
    assert_eq!(recording.await.unwrap(), Ok(()));
    assert!(health.has_changed().unwrap(), "it never failed");
    assert_eq!(*health.borrow(), Health::Healthy);
}

/// Sessions of the recorder that wait for another transaction to end.
pub(super) const WAITING: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE datname = current_database() AND application_name = 'warren' AND wait_event_type = 'Lock'";

async fn lock(db: &impl ConnectionTrait, n: usize) {
    run(db, &format!("UPDATE task_store SET routing_key = 'changed' WHERE id_task = '{}'", id(n))).await;
}

/// SQLite's own limit: it says what it says of a full disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_that_can_not_grow() {
    let test = TestDatabase::sqlite().await;
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record(completed(0, 0, 1)).await.unwrap();
    // Below the number of pages there are, SQLite takes that number.
    run(db.connection(), "PRAGMA max_page_count = 1").await;
    let callers = record_all(&recorder, 1..200);
    red(&recorder).await;
    run(db.connection(), "PRAGMA max_page_count = 1000000").await;
    finish(callers).await;
    green(&recorder).await;
    assert_eq!(db.list_tasks(&TaskFilter::default(), 1_000, None).await.unwrap().len(), 200);
    assert_eq!(db.list_events(&EventFilter::default(), 1_000, None).await.unwrap().len(), 199);
    assert!(recorder.stop(Duration::from_secs(60)).await);
}

/// SQLite takes back the whole transaction then, behind the driver's back.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_alone_for_which_a_sqlite_file_can_not_grow() {
    let test = TestDatabase::sqlite().await;
    let db = test.connect().await;
    run(db.connection(), "PRAGMA max_page_count = 1").await;
    let recorder = Recorder::start(&db);
    let payload = format!("\"{}\"", "x".repeat(1 << 20));
    // Over a connection that is made in place of the one with the limit.
    let row = TaskRow { payload: Some(payload.into()), ..completed(0, 0, 1) };
    timeout(Duration::from_secs(60), recorder.record(row)).await.expect("the connection is given up").unwrap();
    recorder.record(completed(1, 0, 1)).await.unwrap();
    assert_eq!(db.list_tasks(&TaskFilter::default(), 10, None).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_that_may_only_be_read() {
    let test = TestDatabase::sqlite().await;
    let db = test.connect().await;
    let fault = async || run(db.connection(), "PRAGMA query_only = ON").await;
    ride_out(&db, fault, async || run(db.connection(), "PRAGMA query_only = OFF").await).await;
}
