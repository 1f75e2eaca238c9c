//! Rows that RabbitMQ does not take.

use std::time::Duration;

use event_driven::{connection::Address, names::EventType};
use sea_orm::DatabaseConnection;
use serde_json::json;

use crate::{
    database::{Kind, TestDatabase, rows},
    shop::{LONG, Listener, key, publisher, relay, write},
    vhost::Vhost,
};

crate::on_both!(
    an_event_that_no_queue_gets_waits_and_holds_up_its_entity_only,
    an_event_that_is_too_large_holds_up_its_entity_only,
);

/// Waits until the first row was refused so often, and gives what it says.
async fn refused(db: &DatabaseConnection, times: i32) -> String {
    let look = async {
        loop {
            if let Some(row) = rows(db).await.into_iter().find(|row| row.attempts >= times) {
                return row.last_error.expect("the reason");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, look).await.expect("the row is refused")
}

async fn an_event_that_no_queue_gets_waits_and_holds_up_its_entity_only(kind: Kind) {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut updates = Listener::start(vhost.address(), EventType::Update).await;
    let created = publisher.in_transaction(&db).event_of(&key(EventType::Create), &json!({ "id": 1, "n": 0 }));
    created.entity_key("1").await.unwrap();
    write(&db, &publisher, 1, 1).await;
    write(&db, &publisher, 2, 0).await;
    let relay = relay(&db, &publisher);

    assert_eq!(updates.next().await.order, 2);
    let error = refused(&db, 2).await;
    assert!(error.contains("no queue is bound"), "{error}");
    write(&db, &publisher, 2, 1).await;
    assert_eq!(updates.next().await.order, 2, "the update of order 1 waits for its creation");

    let mut creations = updates.and(EventType::Create).await;
    assert_eq!(creations.next().await.order, 1);
    assert_eq!(updates.next().await.order, 1);
    relay.stop().await;
    assert!(rows(&db).await.is_empty());
}

async fn an_event_that_is_too_large_holds_up_its_entity_only(kind: Kind) {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let address: Address = vhost.address();
    let (db, publisher) = (database.connect().await, publisher(address).await);
    let mut updates = Listener::start(vhost.address(), EventType::Update).await;
    // All headers of a message go in one frame.
    let large = publisher.in_transaction(&db).event_of(&key(EventType::Update), &json!({ "id": 1, "n": 0 }));
    large.entity_key("1").header("large", "x".repeat(200 * 1024)).await.unwrap();
    write(&db, &publisher, 1, 1).await;
    for n in 0..20 {
        write(&db, &publisher, 2 + n, 0).await;
    }
    let _relay = relay(&db, &publisher);
    let mut orders = Vec::new();
    for _ in 0..20 {
        orders.push(updates.next().await.order);
    }
    orders.sort_unstable();
    orders.dedup();
    assert_eq!(orders, (2..22).collect::<Vec<_>>());
    let error = refused(&db, 1).await;
    eprintln!("{error}");
    let left: Vec<_> = rows(&db).await.into_iter().map(|row| row.entity_key).collect();
    assert_eq!(left, [Some("order/1".to_owned()), Some("order/1".to_owned())]);
}
