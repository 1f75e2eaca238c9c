//! Stored times come from the database's clock.

use chrono::{TimeDelta, Utc};
use sea_orm::ConnectionTrait;

use crate::database::TestDatabase;

#[tokio::test]
async fn postgres_tells_the_time() {
    let test = TestDatabase::postgres().await;
    let db = test.open().await;
    let question = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, "SELECT clock_timestamp() AS now");
    let row = db.connection().query_one_raw(question).await.unwrap().unwrap();
    let theirs: chrono::DateTime<Utc> = row.try_get("", "now").unwrap();
    let difference = (db.clock().now() - theirs).abs();
    assert!(difference < TimeDelta::milliseconds(500), "{difference}");
    assert_eq!(db.clock().now().timestamp_subsec_nanos() % 1_000, 0, "no finer than what can be stored");
}

#[tokio::test]
async fn sqlite_runs_on_the_local_clock() {
    let test = TestDatabase::sqlite().await;
    let db = test.open().await;
    assert_eq!(db.clock().offset(), TimeDelta::zero());
    assert!((Utc::now() - db.clock().now()).abs() < TimeDelta::seconds(1));
}
