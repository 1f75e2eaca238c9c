//! Which runtimes are alive, and what follows for the tasks that they were at.

use std::time::Duration;

use entity::runtime;
use sea_orm::{ConnectionTrait, EntityTrait};
use tokio::time::{Instant, sleep};
use warren::lifecycle::{
    AttemptOutcome, AttemptRow, Database, Heartbeat, Recorder, RunsIn, RuntimeInfo, TaskRow, TaskStatus,
};

use crate::{
    database::TestDatabase,
    rows::{id, running},
};

crate::on_both_databases!(
    a_runtime_is_alive_until_it_stops,
    a_runtime_without_a_sign_of_life_is_gone,
    what_a_runtime_that_is_gone_was_at_is_told_as_lost,
    after_an_outage_nobody_is_taken_for_gone_at_once,
    a_runtime_that_cannot_write_does_not_judge,
);

fn info(id: &str) -> RuntimeInfo {
    RuntimeInfo { runtime_id: id.into(), service: "test".into(), host: "here".into() }
}

/// The task 1, begun by this runtime at this moment.
fn begun_by(db: &Database, runtime: &str) -> TaskRow {
    let now = db.clock().now();
    let attempt = AttemptRow::begun(0, runtime.into(), now);
    TaskRow { runtime_id: Some(runtime.into()), started_at: Some(now), attempts: vec![attempt], ..running(1, 0, 0) }
}

async fn until<F: Future<Output = bool>>(what: &str, right: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !right().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        // Rows that a background task writes: there is no event to wait for.
        sleep(Duration::from_millis(20)).await;
    }
}

async fn runs_in(db: &Database) -> Option<RunsIn> {
    db.states_of(&[id(1)]).await.unwrap().remove(&id(1)).unwrap().runs_in
}

async fn a_runtime_is_alive_until_it_stops(test: TestDatabase) {
    let test = test.of_the_living();
    let db = test.connect().await;
    let heartbeat = Heartbeat::start(&db, info("a")).await.unwrap();
    Recorder::start(&db).record(begun_by(&db, "a")).await.unwrap();
    assert_eq!(runs_in(&db).await, Some(RunsIn { runtime_id: "a".into(), alive: true }));
    heartbeat.stop().await;
    assert_eq!(runs_in(&db).await, Some(RunsIn { runtime_id: "a".into(), alive: false }));
    let row = runtime::Entity::find_by_id("a").one(db.connection()).await.unwrap().unwrap();
    assert_eq!((row.service.as_str(), row.host.as_str(), row.pid), ("test", "here", i64::from(std::process::id())));
    assert!(row.stopped_at.is_some_and(|at| at >= row.started_at && row.seen_at >= row.started_at));
}

async fn a_runtime_without_a_sign_of_life_is_gone(mut test: TestDatabase) {
    test.config.lease = Duration::from_secs(3);
    let db = test.connect().await;
    Recorder::start(&db).record(begun_by(&db, "a")).await.unwrap();
    let heartbeat = Heartbeat::start(&db, info("a")).await.unwrap();
    let seen_for = async || {
        let row = runtime::Entity::find_by_id("a").one(db.connection()).await.unwrap().unwrap();
        (row.seen_at - row.started_at).to_std().unwrap_or_default()
    };
    // Longer than the lease.
    until("it goes on giving signs of life", async || seen_for().await > test.config.lease).await;
    until("it is alive", async || runs_in(&db).await.unwrap().alive).await;
    drop(heartbeat);
    until("it is gone", async || !runs_in(&db).await.unwrap().alive).await;
}

async fn what_a_runtime_that_is_gone_was_at_is_told_as_lost(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let mut task = begun_by(&db, "gone");
    recorder.record(task.clone()).await.unwrap();
    let outcome = async || db.attempts_of(id(1)).await.unwrap()[0].outcome;
    assert_eq!(outcome().await, AttemptOutcome::Running);
    let _heartbeat = Heartbeat::start(&db, info("alive")).await.unwrap();
    until("it is told as lost", async || outcome().await == AttemptOutcome::Lost).await;
    assert_eq!(db.find_task(id(1)).await.unwrap().unwrap().status, TaskStatus::Pending);
    // It was not gone after all.
    task.attempts[0].end(AttemptOutcome::Completed, None, db.clock().now());
    recorder.record(task).await.unwrap();
    assert_eq!(outcome().await, AttemptOutcome::Completed);
}

async fn after_an_outage_nobody_is_taken_for_gone_at_once(test: TestDatabase) {
    let db = test.connect().await;
    let heartbeat = Heartbeat::start(&db, info("a")).await.unwrap();
    until("it may judge", async || heartbeat.may_judge()).await;
    let outage = test.begin_outage().await;
    until("it may not judge", async || !heartbeat.may_judge()).await;
    let ends = Instant::now();
    outage.end().await;
    until("it may judge again", async || heartbeat.may_judge()).await;
    assert!(ends.elapsed() >= test.config.lease, "{:?}", ends.elapsed());
}

async fn a_runtime_that_cannot_write_does_not_judge(test: TestDatabase) {
    let db = test.connect().await;
    let heartbeat = Heartbeat::start(&db, info("a")).await.unwrap();
    until("it may judge", async || heartbeat.may_judge()).await;
    db.connection().execute_unprepared("DROP TABLE runtime").await.unwrap();
    until("it may not judge", async || !heartbeat.may_judge()).await;
    assert!(Heartbeat::start(&db, info("b")).await.is_err(), "one that can't be seen does not start");
}
