//! The link to Postgres falls silent: nothing is closed, nothing answers, and TCP goes on hoping for a quarter of an hour.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, TransactionTrait};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use warren::lifecycle::{Database, Heartbeat, Lookups, Recorder, RuntimeInfo, TaskFilter};

use super::{
    faults::{WAITING, until},
    outage::{finish, green, record_all, red},
};
use crate::{
    database::TestDatabase,
    proxy::Proxy,
    rows::{completed, event, id},
};

/// Far longer than it takes, far shorter than TCP.
const SOON: Duration = Duration::from_secs(60);

/// Where something is told as an error in the end, instead of being tried again.
const PATIENT: Duration = Duration::from_secs(4);

/// A proxy, and the database by way of it, with so much time for a connection and half of it for a statement.
async fn behind_a_proxy(test: &mut TestDatabase, patience: Duration) -> (Proxy, Database) {
    // The tables are made without a limit.
    test.connect().await.close().await;
    let proxy = Proxy::start(test.server()).await;
    test.set_port(proxy.port);
    test.config.connect_timeout = patience;
    test.config.statement_timeout = patience / 2;
    let deadline = Instant::now() + SOON;
    loop {
        match Database::connect(&test.config).await {
            Ok(db) => return (proxy, db),
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

/// Two rows for each kind, so that both of the writers' links are in use.
async fn warm_up(recorder: &Recorder) {
    recorder.record(completed(0, 0, 1)).await.unwrap();
    recorder.record_event(event(0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn writing_goes_on_over_new_links_as_soon_as_there_are_some() {
    let mut test = TestDatabase::postgres().await;
    let (proxy, db) = behind_a_proxy(&mut test, PATIENT).await;
    let recorder = Recorder::start(&db);
    warm_up(&recorder).await;

    proxy.stall();
    let mut callers = record_all(&recorder, 1..200);
    red(&recorder).await;
    assert!(callers.try_join_next().is_none(), "nothing is answered while the link is silent");
    // The old links stay as they are: open, and silent.
    proxy.restore();
    timeout(SOON, finish(callers)).await.expect("the silent links are given up");
    green(&recorder).await;
    assert_eq!(db.list_tasks(&TaskFilter::default(), 1_000, None).await.unwrap().len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_falls_silent_between_two_statements_is_given_up_as_well() {
    let mut test = TestDatabase::postgres().await;
    // Each round takes as long as a connection may: all that is asked for here is tried again.
    let (proxy, db) = behind_a_proxy(&mut test, Duration::from_secs(1)).await;
    let recorder = Recorder::start(&db);
    for round in 0..8 {
        // At once after a commit, whatever is done with the connection then.
        recorder.record(completed(round, 0, 1)).await.unwrap();
        proxy.stall();
        let next = tokio::spawn({
            let recorder = recorder.clone();
            async move { recorder.record(completed(round + 100, 0, 1)).await }
        });
        red(&recorder).await;
        proxy.restore();
        timeout(SOON, next).await.expect("the silent link is given up").unwrap().unwrap();
        green(&recorder).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fills_the_link_is_given_up_as_well() {
    let mut test = TestDatabase::postgres().await;
    let (proxy, db) = behind_a_proxy(&mut test, PATIENT).await;
    let recorder = Recorder::start(&db);
    warm_up(&recorder).await;

    proxy.stall();
    // More than the sockets between take up, so that the driver is in the middle of sending.
    let large = format!("\"{}\"", "x".repeat(15 << 20));
    let mut callers = JoinSet::new();
    for n in 1..4 {
        let mut row = completed(n, 0, 1);
        row.result = Some(large.as_str().into());
        let recorder = recorder.clone();
        callers.spawn(async move { recorder.record(row).await.unwrap() });
    }
    red(&recorder).await;
    proxy.restore();
    // Such a row takes its time even without a silence.
    timeout(3 * SOON, finish(callers)).await.expect("the silent links are given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_again_as_soon_as_there_are_new_links() {
    let mut test = TestDatabase::postgres().await;
    let aside = test.aside().await;
    let (proxy, db) = behind_a_proxy(&mut test, PATIENT).await;
    Recorder::start(&db).record(completed(1, 0, 1)).await.unwrap();
    let lookups = Lookups::start(&db);
    assert!(lookups.state(id(1)).await.unwrap().is_some());

    // As many questions as there are links are under way when it falls silent; who asked them gives up.
    let lock = aside.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE task_store").await.unwrap();
    let mut readers = JoinSet::new();
    for _ in 0..2 {
        let db = db.clone();
        readers.spawn(async move { db.find_task(id(1)).await });
    }
    until(&aside, WAITING, 2).await;
    proxy.stall();
    lock.rollback().await.unwrap();
    readers.shutdown().await;
    assert!(timeout(SOON, lookups.state(id(1))).await.expect("it is given up in time").is_err());
    proxy.restore();

    let restored = Instant::now();
    answered(&db, &lookups).await;
    assert!(restored.elapsed() < SOON, "it took {:?}", restored.elapsed());
}

async fn answered(db: &Database, lookups: &Lookups) {
    let deadline = Instant::now() + SOON;
    while lookups.state(id(1)).await.is_err() {
        assert!(Instant::now() < deadline, "no question is answered");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(timeout(SOON, db.find_task(id(1))).await.expect("readers have links again").unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_of_life_are_given_again_as_soon_as_there_are_new_links() {
    let mut test = TestDatabase::postgres().await;
    let aside = test.aside().await;
    let (proxy, db) = behind_a_proxy(&mut test, PATIENT).await;
    let info = RuntimeInfo { runtime_id: "a".into(), service: "test".into(), host: "here".into() };
    let _heartbeat = Heartbeat::start(&db, info).await.unwrap();
    proxy.stall();
    // A beat has begun, and was given up.
    until(&aside, "SELECT count(*) FROM runtime WHERE seen_at < clock_timestamp() - interval '3 seconds'", 1).await;
    proxy.restore();
    let restored = Instant::now();
    until(&aside, "SELECT count(*) FROM runtime WHERE seen_at > clock_timestamp() - interval '1 second'", 1).await;
    assert!(restored.elapsed() < SOON, "it took {:?}", restored.elapsed());
}
