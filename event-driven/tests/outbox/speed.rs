//! How fast it is. Run by hand: `cargo test -p event-driven --features outbox --test outbox speed -- --ignored --nocapture`.

use std::time::Instant;

use event_driven::names::EventType;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;

use crate::{
    database::{Kind, TestDatabase},
    shop::{Listener, key, publisher, relay, write},
    vhost::Vhost,
};

const EVENTS: u64 = 20_000;

/// A backlog of so many entities (0: without a key) through one relay.
async fn backlog(kind: Kind, entities: u64) {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    let transaction = db.begin().await.unwrap();
    let begun = Instant::now();
    for n in 0..EVENTS {
        let payload = json!({ "id": n, "n": 0 });
        let draft = publisher.in_transaction(&transaction).event_of(&key(EventType::Update), &payload);
        match n.checked_rem(entities) {
            Some(entity) => draft.entity_key(entity.to_string()).await.unwrap(),
            None => draft.await.unwrap(),
        }
    }
    transaction.commit().await.unwrap();
    let written = begun.elapsed();
    let begun = Instant::now();
    let _relay = relay(&db, &publisher);
    for _ in 0..EVENTS {
        listener.next().await;
    }
    let rate = |elapsed: std::time::Duration| EVENTS as f64 / elapsed.as_secs_f64();
    println!(
        "{kind:?}, {entities} entities: {:.0} rows/s written in one transaction, {:.0} rows/s published",
        rate(written),
        rate(begun.elapsed())
    );
}

/// A million rows of one entity wait; how long do a thousand other entities, written after them, take?
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn a_million_rows_of_one_entity() {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(Kind::Postgres).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    let fill = "INSERT INTO event_outbox \
        (message_id, routing_key, producer_app, correlation_id, headers, payload, entity_key, created_at) \
        SELECT n::text, 'routing.event.update.order', 'shop', 'c', '{}', format('{\"id\": 1, \"n\": %s}', n), 'order/1', now() \
        FROM generate_series(0, 999999) n";
    db.execute_unprepared(fill).await.unwrap();
    for order in 2..1002 {
        write(&db, &publisher, order, 0).await;
    }
    let begun = Instant::now();
    let _relay = relay(&db, &publisher);
    let (mut others, mut backlog, mut first) = (0, 0, None);
    while others < 1000 || backlog < 5000 {
        if listener.next().await.order == 1 {
            backlog += 1;
        } else {
            others += 1;
            first.get_or_insert_with(|| begun.elapsed());
        }
        if others == 1000 {
            println!("all others came {:?} after the start, with {backlog} of the million", begun.elapsed());
            others += 1;
        }
    }
    println!("the first of the others {first:?}, 5000 of the million {:?} after the start", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn speed() {
    for kind in [Kind::Postgres, Kind::Sqlite] {
        for entities in [0, EVENTS, 200, 1] {
            backlog(kind, entities).await;
        }
    }
}
