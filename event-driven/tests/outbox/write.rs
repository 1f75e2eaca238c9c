//! What is written, and what of it is published.

use std::time::Duration;

use event_driven::{
    connection::Address,
    lapin::types::AMQPValue,
    names::EventType,
    outbox::{Migration, OutboxError, Relay, RelaySettings},
};
use sea_orm::TransactionTrait;
use sea_orm_migration::{MigrationTrait, SchemaManager};
use serde_json::json;

use crate::{
    database::{Kind, TestDatabase, rows, text},
    proxy::Proxy,
    shop::{LONG, Listener, Order, Story, key, publisher, relay, write},
    vhost::Vhost,
};

crate::on_both!(
    a_transaction_that_is_rolled_back_publishes_nothing,
    an_event_is_published_as_it_was_written,
    what_can_never_be_a_message_is_refused_to_the_writer,
    a_broker_that_is_away_loses_nothing,
    a_relay_that_was_stopped_publishes_nothing_more,
    the_migration_can_be_taken_back,
);

async fn a_transaction_that_is_rolled_back_publishes_nothing(kind: Kind) {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    let _relay = relay(&db, &publisher);

    let transaction = db.begin().await.unwrap();
    let draft = publisher.in_transaction(&transaction).event_of(&key(EventType::Update), &Order { id: 1, n: 7 });
    draft.await.unwrap();
    transaction.rollback().await.unwrap();
    write(&db, &publisher, 1, 0).await;

    assert_eq!(listener.next().await.n, 0, "the first to arrive is the one that was committed");
    listener.nothing_before(&publisher).await;
}

async fn an_event_is_published_as_it_was_written(kind: Kind) {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut listener = Listener::start(vhost.address(), EventType::Create).await;

    let transaction = db.begin().await.unwrap();
    let order = Order { id: 17, n: 0 };
    let draft = publisher.in_transaction(&transaction).event(&order).correlation_id("cart-4").message_id("order-17");
    draft.header("traceparent", "00-1-2-01").header("note", "a \"quoted\" word").await.unwrap();
    transaction.commit().await.unwrap();
    let row = rows(&db).await.remove(0);
    assert_eq!(row.entity_key.as_deref(), Some("order/17"));
    assert_eq!((row.attempts, row.last_error, row.retry_at), (0, None, None));

    let relay = relay(&db, &publisher);
    let delivery = listener.delivery().await;
    let properties = &delivery.properties;
    assert_eq!(delivery.routing_key, "routing.event.create.order");
    assert_eq!(delivery.body, br#"{"id":17,"n":0}"#.as_slice());
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "order-17");
    assert_eq!(properties.correlation_id().as_ref().unwrap().as_str(), "cart-4");
    assert_eq!(properties.app_id().as_ref().unwrap().as_str(), "shop");
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/json");
    assert_eq!(*properties.timestamp(), u64::try_from(row.created_at.timestamp()).ok());
    let headers = properties.headers().as_ref().unwrap().inner();
    assert_eq!(headers["x-attempt"], AMQPValue::LongLongInt(0));
    assert_eq!(headers["traceparent"], AMQPValue::LongString("00-1-2-01".into()));
    assert_eq!(headers["note"], AMQPValue::LongString("a \"quoted\" word".into()));

    relay.stop().await;
    assert!(rows(&db).await.is_empty(), "what was confirmed is deleted");
}

async fn what_can_never_be_a_message_is_refused_to_the_writer(kind: Kind) {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let outbox = publisher.in_transaction(&db);
    let (key, good) = (key(EventType::Update), json!({}));
    let long = "x".repeat(256);
    for (draft, said) in [
        (outbox.event_of(&key, "no object"), "the payload can't be published: it is no object"),
        (outbox.event_of(&key, &good).message_id(""), "the message id is empty"),
        (outbox.event_of(&key, &good).header(&long, 1), "a header's name has at most 255 bytes, this one has 256"),
        (
            outbox.event_of(&key, &good).entity_key(&long),
            "the entity's name with its key has 262 bytes, at most 255 are allowed",
        ),
    ] {
        let error = draft.await.unwrap_err();
        assert!(matches!(error, OutboxError::Event(_)), "{error:?}");
        assert_eq!(error.to_string(), said);
    }
    assert!(rows(&db).await.is_empty());
}

async fn a_broker_that_is_away_loses_nothing(kind: Kind) {
    const EVENTS: u64 = 200;
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let proxy = Proxy::start(vhost.server()).await;
    let behind: Address = vhost.url_by(proxy.port).parse().unwrap();
    let (db, publisher) = (database.connect().await, publisher(behind).await);
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    let relay = relay(&db, &publisher);

    let mut story = Story::default();
    for n in 0..EVENTS {
        write(&db, &publisher, n % 5, n / 5).await;
        match n {
            20 | 150 => proxy.cut(),
            60 => proxy.refuse(),
            120 => {
                let waiting = rows(&db).await;
                assert!(waiting.len() >= 50, "{} rows wait while there is no broker", waiting.len());
                assert!(waiting.iter().all(|row| row.attempts <= 1), "an absent broker is no fault of a row");
                proxy.restore();
            }
            _ => {}
        }
    }
    while story.len() < usize::try_from(EVENTS).unwrap() {
        story.tell(&listener.next().await);
    }
    relay.stop().await;
    assert!(rows(&db).await.is_empty());
}

async fn a_relay_that_was_stopped_publishes_nothing_more(kind: Kind) {
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    let first = relay(&db, &publisher);
    write(&db, &publisher, 1, 0).await;
    assert_eq!(listener.next().await.n, 0);
    first.stop().await;
    write(&db, &publisher, 1, 1).await;
    listener.nothing_before(&publisher).await;
    assert_eq!(rows(&db).await.len(), 1);
    let _second = relay(&db, &publisher);
    assert_eq!(listener.next().await.n, 1);
}

async fn the_migration_can_be_taken_back(kind: Kind) {
    let database = TestDatabase::create(kind).await;
    let db = database.connect().await;
    // On one connection: another one of SQLite's may still know the index that was just dropped.
    let transaction = db.begin().await.unwrap();
    let manager = SchemaManager::new(&transaction);
    assert!(manager.has_index("event_outbox", "event_outbox_order").await.unwrap());
    Migration.down(&manager).await.unwrap();
    assert!(!manager.has_table("event_outbox").await.unwrap());
    Migration.up(&manager).await.unwrap();
    assert!(manager.has_table("event_outbox").await.unwrap());
    transaction.commit().await.unwrap();
}

/// Postgres: what a relay can't publish is free for the others again, and no transaction is left open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_does_not_answer_one_relay_does_not_hold_up_the_other() {
    const EVENTS: u64 = 60;
    let (vhost, database) = (Vhost::create(), TestDatabase::create(Kind::Postgres).await);
    let proxy = Proxy::start(vhost.server()).await;
    let (db, other) = (database.connect().await, database.connect().await);
    let stuck = publisher(vhost.url_by(proxy.port).parse().unwrap()).await;
    let mut listener = Listener::start(vhost.address(), EventType::Update).await;
    proxy.stall();
    for n in 0..EVENTS {
        write(&db, &stuck, n % 20, n / 20).await;
    }
    let settings = RelaySettings { publish_timeout: Duration::from_millis(300), ..RelaySettings::default() };
    let first = Relay::new(&db, &stuck, settings).start();
    let held = "SELECT count(*)::text FROM pg_stat_activity \
                WHERE datname = current_database() AND state = 'idle in transaction'";
    wait(async || text(&db, held).await == "1").await;
    let second = relay(&other, &publisher(vhost.address()).await);
    let mut story = Story::default();
    while story.len() < usize::try_from(EVENTS).unwrap() {
        story.tell(&listener.next().await);
    }
    wait(async || rows(&db).await.is_empty()).await;
    first.stop().await;
    second.stop().await;
    assert_eq!(text(&db, held).await, "0");
}

async fn wait(condition: impl AsyncFn() -> bool) {
    let come = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, come).await.expect("it comes true");
}
