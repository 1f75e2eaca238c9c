//! What wakes the relay: far sooner than it would look by itself.

use std::time::{Duration, Instant};

use event_driven::{
    names::EventType,
    outbox::{Relay, RelayHandle, RelaySettings},
    publisher::Publisher,
};
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::{
    database::{Kind, TestDatabase, text},
    shop::{LONG, Listener, publisher, write},
    vhost::Vhost,
};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn sleepy(db: &DatabaseConnection, publisher: &Publisher) -> RelayHandle {
    let settings = RelaySettings { poll: HOUR, safety_poll: HOUR, ..RelaySettings::default() };
    Relay::new(db, publisher, settings).start()
}

/// Postgres' process that listens.
async fn listening(db: &DatabaseConnection) -> String {
    let ask = async {
        loop {
            let sql = "SELECT coalesce((SELECT pid::text FROM pg_stat_activity \
                       WHERE datname = current_database() AND query ILIKE 'LISTEN%'), '')";
            let pid = text(db, sql).await;
            if !pid.is_empty() {
                return pid;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, ask).await.expect("the relay listens")
}

#[tokio::test]
async fn postgres_tells_of_a_commit_of_another_process() {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(Kind::Postgres).await);
    // The writer shares nothing with the relay.
    let (db, writer) = (database.connect().await, publisher(vhost.address()).await);
    let (relays_db, relays_publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    let relay = sleepy(&relays_db, &relays_publisher);
    listening(&db).await;
    for n in 0..20 {
        write(&db, &writer, 1, n).await;
        assert_eq!(listener.next().await.n, n);
    }
    relay.stop().await;
}

#[tokio::test]
async fn a_lost_listener_listens_again() {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(Kind::Postgres).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    let relays_db = database.connect().await;
    let _relay = sleepy(&relays_db, &publisher);
    let first = listening(&db).await;
    db.execute_unprepared(&format!("SELECT pg_terminate_backend({first})")).await.unwrap();
    write(&db, &publisher, 1, 0).await;
    assert_eq!(listener.next().await.n, 0);
    assert_ne!(listening(&db).await, first);
    write(&db, &publisher, 1, 1).await;
    assert_eq!(listener.next().await.n, 1);
}

#[tokio::test]
async fn a_commit_to_sqlite_is_noticed_soon_after_the_hint() {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(Kind::Sqlite).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    let relay = sleepy(&db, &publisher);
    for n in 0..20 {
        let written = Instant::now();
        write(&db, &publisher, 1, n).await;
        assert_eq!(listener.next().await.n, n);
        assert!(written.elapsed() < Duration::from_secs(60), "{:?}", written.elapsed());
    }
    relay.stop().await;
}
