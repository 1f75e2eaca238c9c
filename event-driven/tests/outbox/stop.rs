//! A relay that is told to stop.

use std::time::Duration;

use event_driven::{
    names::EventType,
    outbox::{Relay, RelaySettings},
};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::{
    database::{Kind, TestDatabase, rows},
    shop::{Listener, publisher, write},
    vhost::Vhost,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_although_the_database_does_not_answer() {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(Kind::Postgres).await);
    let (db, other) = (database.connect().await, database.connect().await);
    let publisher = publisher(vhost.address()).await;
    let mut updates = Listener::start(vhost.address(), EventType::Update).await;
    write(&db, &publisher, 1, 0).await;
    // Who reads and locks rows is not kept out; who deletes is.
    let index = other.begin().await.unwrap();
    index.execute_unprepared("LOCK TABLE event_outbox IN SHARE MODE").await.unwrap();
    let settings = RelaySettings { publish_timeout: Duration::from_secs(3), ..RelaySettings::default() };
    let relay = Relay::new(&db, &publisher, settings).start();
    updates.next().await;
    tokio::time::timeout(Duration::from_secs(60), relay.stop()).await.expect("it stops");
    index.rollback().await.unwrap();
    assert_eq!(rows(&db).await.len(), 1, "what was not deleted is published again");
}
