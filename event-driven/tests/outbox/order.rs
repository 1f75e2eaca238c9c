//! Everything arrives, and the events of one entity in their order, however many relays there are.

use std::time::Duration;

use event_driven::{
    names::EventType,
    outbox::{Relay, RelaySettings},
};
use sea_orm::TransactionTrait;
use serde_json::json;

use crate::{
    database::{Kind, TestDatabase, rows},
    shop::{Listener, Story, key, publisher, relay, write},
    vhost::Vhost,
};

/// What is not confirmed in time is published again, and arrives twice.
const PATIENT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_relays_share_the_work_in_order() {
    const ORDERS: u64 = 50;
    const EVENTS: u64 = 40;
    let (vhost, database) = (Vhost::create(), TestDatabase::create(Kind::Postgres).await);
    let (db, other) = (database.connect().await, database.connect().await);
    let publisher = publisher(vhost.address()).await;
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    // Batches and chains that end often.
    let settings = RelaySettings { batch: 7, chain: 3, publish_timeout: PATIENT, ..RelaySettings::default() };
    let relays = [&db, &other].map(|db| Relay::new(db, &publisher, settings.clone()).start());
    let writing = async {
        for n in 0..EVENTS {
            for order in 0..ORDERS {
                write(&db, &publisher, order, n).await;
            }
        }
    };
    let hearing = async {
        let mut story = Story::default();
        while story.len() < usize::try_from(ORDERS * EVENTS).unwrap() {
            story.tell(&listener.next().await);
        }
        story
    };
    let ((), story) = tokio::join!(writing, hearing);
    assert_eq!(story.duplicates, 0, "no row was published by both");
    for relay in relays {
        relay.stop().await;
    }
    assert!(rows(&db).await.is_empty());
}

crate::on_both!(a_long_backlog_of_one_entity_holds_up_no_other);

async fn a_long_backlog_of_one_entity_holds_up_no_other(kind: Kind) {
    const BACKLOG: u64 = 2_000;
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    let transaction = db.begin().await.unwrap();
    let outbox = publisher.in_transaction(&transaction);
    let update = key(EventType::Update);
    for n in 0..BACKLOG {
        outbox.event_of(&update, &json!({ "id": 1, "n": n })).entity_key("1").await.unwrap();
    }
    // Written last: one with a key and one without.
    outbox.event_of(&update, &json!({ "id": 2, "n": 0 })).entity_key("2").await.unwrap();
    outbox.event_of(&update, &json!({ "id": 3, "n": 0 })).await.unwrap();
    transaction.commit().await.unwrap();

    let settings = RelaySettings { publish_timeout: PATIENT, ..RelaySettings::default() };
    let relay = Relay::new(&db, &publisher, settings).start();
    let mut story = Story::default();
    let mut others = 0;
    while story.len() < usize::try_from(BACKLOG + 2).unwrap() {
        let arrived = listener.next().await;
        story.tell(&arrived);
        if arrived.order != 1 {
            others += 1;
            assert!(story.len() < 200, "order {} came after {} others", arrived.order, story.len());
        }
    }
    assert_eq!((others, story.duplicates), (2, 0));
    relay.stop().await;
}

/// Ids are given when a row is written, not when it is committed. (SQLite has one writer: no two transactions overlap.)
#[tokio::test]
async fn an_older_row_that_is_committed_late_is_published() {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(Kind::Postgres).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    let _relay = relay(&db, &publisher);
    let late = db.begin().await.unwrap();
    let payload = json!({ "id": 1, "n": 0 });
    publisher.in_transaction(&late).event_of(&key(EventType::Update), &payload).entity_key("1").await.unwrap();
    write(&db, &publisher, 1, 1).await;
    assert_eq!(listener.next().await.n, 1);
    late.commit().await.unwrap();
    assert_eq!(listener.next().await.n, 0);
}
