//! Rows that somebody else has changed, so that they can't be read.

use event_driven::names::EventType;
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::{
    database::{Kind, TestDatabase, text},
    shop::{LONG, Listener, publisher, relay, write},
    vhost::Vhost,
};

/// Why the row was not published, when the other one was.
async fn changed_by(kind: Kind, change: &str) -> String {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut updates = Listener::start(vhost.address(), EventType::Update).await;
    write(&db, &publisher, 1, 0).await;
    db.execute_unprepared(&format!("UPDATE event_outbox SET {change}")).await.unwrap();
    write(&db, &publisher, 2, 0).await;
    let relay = relay(&db, &publisher);
    assert_eq!(updates.next().await.order, 2, "{change}");
    let error = tokio::time::timeout(LONG, error(&db)).await.expect("the row is refused");
    relay.stop().await;
    error
}

async fn error(db: &DatabaseConnection) -> String {
    loop {
        let error = text(db, "SELECT coalesce(max(last_error), '') FROM event_outbox").await;
        if !error.is_empty() {
            return error;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_cannot_be_read_holds_up_its_entity_only() {
    for (kind, change, expected) in [
        (Kind::Sqlite, "created_at = 'soon'", "its created_at is no moment"),
        (Kind::Sqlite, "payload = x'7b7d'", "can't be read"),
        (Kind::Postgres, "created_at = 'infinity'", "its created_at is no moment"),
        // Kept back by hand, with the reason.
        (Kind::Postgres, "retry_at = 'infinity', last_error = 'kept'", "kept"),
    ] {
        let error = changed_by(kind, change).await;
        assert!(error.contains(expected), "{change}: {error}");
    }
}
