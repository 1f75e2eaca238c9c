//! Stored times come from the database's clock.

use chrono::{TimeDelta, Utc};
use sea_orm::ConnectionTrait;

use crate::database::TestDatabase;

#[tokio::test]
async fn postgres_tells_the_time() {
    let test = TestDatabase::postgres().await;
    let asked = Utc::now();
    let db = test.open().await;
    let question = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, "SELECT clock_timestamp() AS now");
    let row = db.connection().query_one_raw(question).await.unwrap().unwrap();
    let theirs: chrono::DateTime<Utc> = row.try_get("", "now").unwrap();
    let difference = (db.clock().now() - theirs).abs();
    // No question is answered more exactly than it took.
    let took = Utc::now() - asked;
    assert!(difference < TimeDelta::milliseconds(500) + took, "{difference} after {took}");
    assert_eq!(db.clock().now().timestamp_subsec_nanos() % 1_000, 0, "no finer than what can be stored");
}

#[tokio::test]
async fn sqlite_runs_on_the_local_clock() {
    let test = TestDatabase::sqlite().await;
    let db = test.open().await;
    assert_eq!(db.clock().offset(), TimeDelta::zero());
    let (before, now, after) = (Utc::now(), db.clock().now(), Utc::now());
    // It has whole microseconds.
    assert!((before - TimeDelta::microseconds(1)..=after).contains(&now), "{before} {now} {after}");
}
