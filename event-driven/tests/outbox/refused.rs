//! Rows that RabbitMQ does not take.

use std::time::Duration;

use event_driven::{
    client::Client,
    connection::{ConnectionSettings, connect},
    lapin::{
        Connection,
        options::{QueueBindOptions, QueueDeclareOptions},
        types::{AMQPValue, FieldTable},
    },
    names::EventType,
    outbox::{Relay, RelaySettings, event_outbox::Model},
    publisher::Publisher,
};
use sea_orm::{DatabaseConnection, TransactionTrait};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    database::{Kind, TestDatabase, rows},
    shop::{LONG, Listener, Story, key, publisher, relay, settings, write},
    vhost::Vhost,
};

crate::on_both!(
    an_event_that_no_queue_gets_waits_and_holds_up_its_entity_only,
    an_event_that_is_too_large_holds_up_its_entity_only,
    an_event_that_ends_the_connection_is_found_out,
    an_event_that_ends_the_connection_is_found_out_among_events_without_a_key,
    a_queue_that_does_not_answer_holds_up_its_entities_only,
);

/// Waits until the first row was refused so often, and gives what it says.
async fn refused(db: &DatabaseConnection, times: i32) -> String {
    refused_among(db, times).await.0
}

/// The same, and all rows as they were at that moment.
async fn refused_among(db: &DatabaseConnection, times: i32) -> (String, Vec<Model>) {
    let look = async {
        loop {
            let rows = rows(db).await;
            if let Some(row) = rows.iter().find(|row| row.attempts >= times) {
                return (row.last_error.clone().expect("the reason"), rows);
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
    let (db, publisher) = (database.connect().await, publisher(vhost.address()).await);
    let mut updates = Listener::start(vhost.address(), EventType::Update).await;
    // All headers of a message go in one frame; RabbitMQ would end the connection for a larger one.
    let large = publisher.in_transaction(&db).event_of(&key(EventType::Update), &json!({ "id": 1, "n": 0 }));
    large.entity_key("1").header("large", "x".repeat(200 * 1024)).await.unwrap();
    write(&db, &publisher, 1, 1).await;
    write(&db, &publisher, 2, 0).await;
    let relay = relay(&db, &publisher);
    assert_eq!(updates.next().await.order, 2);
    let error = refused(&db, 2).await;
    assert!(error.contains("its headers and properties need 204"), "{error}");
    relay.stop().await;
    assert_eq!(keys(&db).await, ["order/1", "order/1"]);
}

async fn an_event_that_ends_the_connection_is_found_out(kind: Kind) {
    const OTHERS: u64 = 10;
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let port = allergic_proxy(vhost.server()).await;
    let db = database.connect().await;
    let publisher = publisher(vhost.url_by(port).parse().unwrap()).await;
    let mut updates = Listener::start(vhost.address(), EventType::Update).await;
    // In the middle of the others.
    for order in 100..=100 + OTHERS {
        if order == 100 + OTHERS / 2 {
            let payload = json!({ "id": order, "n": 0, "note": ALLERGEN });
            let draft = publisher.in_transaction(&db).event_of(&key(EventType::Update), &payload);
            draft.entity_key(order.to_string()).await.unwrap();
        } else {
            write(&db, &publisher, order, 0).await;
        }
    }
    let relay = relay(&db, &publisher);
    let mut story = Story::default();
    while story.len() < usize::try_from(OTHERS).unwrap() {
        story.tell(&updates.next().await);
    }
    let error = refused(&db, 1).await;
    assert!(error.contains("the connection to RabbitMQ is gone"), "{error}");
    relay.stop().await;
    assert_eq!(keys(&db).await, [format!("order/{}", 100 + OTHERS / 2)]);
}

async fn an_event_that_ends_the_connection_is_found_out_among_events_without_a_key(kind: Kind) {
    const OTHERS: u64 = 10;
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let port = allergic_proxy(vhost.server()).await;
    let db = database.connect().await;
    let publisher = publisher(vhost.url_by(port).parse().unwrap()).await;
    let _updates = Listener::start(vhost.address(), EventType::Update).await;
    let to = publisher.in_transaction(&db);
    let deadly = to.event_of(&key(EventType::Update), &json!({ "id": 100, "n": 0, "note": ALLERGEN }));
    deadly.entity_key("100").await.unwrap();
    for order in 101..=100 + OTHERS {
        write(&db, &publisher, order, 0).await;
    }
    // They go on coming: a backlog that each sweep takes its first batch from, and that is never done meanwhile.
    let transaction = db.begin().await.unwrap();
    for n in 0..BACKLOG {
        let to = publisher.in_transaction(&transaction);
        to.event_of(&key(EventType::Update), &json!({ "id": 1, "n": n })).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let relay = relay(&db, &publisher);
    let (error, rows) = refused_among(&db, 1).await;
    assert!(error.contains("the connection to RabbitMQ is gone"), "{error}");
    let left = rows.iter().filter(|row| row.entity_key.is_none()).count();
    assert!(left > 0, "it was found only when nothing else was left");
    while keys(&db).await != ["order/100"] {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    relay.stop().await;
}

/// As a quorum queue without a majority: RabbitMQ routes to it, and it does not confirm.
async fn a_queue_that_does_not_answer_holds_up_its_entities_only(kind: Kind) {
    const STUCK: u64 = 8;
    let (vhost, database) = (Vhost::create(), TestDatabase::create(kind).await);
    let db = database.connect().await;
    let mut shop = settings("shop", vhost.address());
    shop.publisher.timeout = Duration::from_millis(300);
    let publisher = Publisher::new(&Client::connect(shop).await.unwrap());
    let mut updates = Listener::start(vhost.address(), EventType::Update).await;
    let stuck = stuck_queue(&vhost).await;
    for order in 100..100 + STUCK {
        let draft = publisher.in_transaction(&db).event_of(&key(EventType::Create), &json!({ "id": order, "n": 0 }));
        draft.entity_key(order.to_string()).await.unwrap();
    }
    let settings = RelaySettings {
        batch: 4,
        publish_timeout: Duration::from_millis(300),
        first_retry: Duration::from_millis(50),
        ..RelaySettings::default()
    };
    let relay = Relay::new(&db, &publisher, settings).start();
    let mut story = Story::default();
    // Their keys come after all of those.
    for n in 0..3 {
        for order in 900..903 {
            write(&db, &publisher, order, n).await;
        }
        while story.len() < usize::try_from((n + 1) * 3).unwrap() {
            story.tell(&updates.next().await);
        }
    }
    let error = refused(&db, 2).await;
    assert!(error.contains("did not confirm"), "{error}");
    relay.stop().await;
    assert_eq!(rows(&db).await.iter().filter(|row| row.routing_key.contains("create")).count(), 8);
    stuck.resume();
}

/// A quorum queue for creations whose process stands still.
struct Stuck {
    process: String,
    _connection: Connection,
}

impl Stuck {
    fn resume(self) {
        rabbitmqctl(&format!("sys:resume({}).", self.process));
    }
}

async fn stuck_queue(vhost: &Vhost) -> Stuck {
    let settings =
        ConnectionSettings { address: vhost.address(), name: "stuck".into(), timeout: Duration::from_secs(20) };
    let connection = connect(&settings).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("stuck".into(), options, arguments).await.unwrap();
    let (exchange, routing_key) = ("event.exchange".into(), "routing.event.create.order".into());
    let options = QueueBindOptions::default();
    channel.queue_bind("stuck".into(), exchange, routing_key, options, FieldTable::default()).await.unwrap();
    let process = format!("whereis('{}_stuck')", vhost.name);
    rabbitmqctl(&format!("sys:suspend({process})."));
    Stuck { process, _connection: connection }
}

fn rabbitmqctl(expression: &str) {
    let output = std::process::Command::new("rabbitmqctl").args(["eval", expression]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

async fn keys(db: &DatabaseConnection) -> Vec<String> {
    rows(db).await.into_iter().filter_map(|row| row.entity_key).collect()
}

/// More than the relay publishes while it looks for what ends the connection.
const BACKLOG: u64 = 3000;

const ALLERGEN: &str = "pollen";

/// A proxy that cuts a link on which it sees the [`ALLERGEN`], as RabbitMQ ends a connection for some messages.
async fn allergic_proxy(server: String) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(pass(client, server));
        }
    });
    port
}

async fn pass(client: TcpStream, server: TcpStream) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let answers = async move { tokio::io::copy(&mut from_server, &mut to_client).await };
    let messages = async move {
        let mut seen = Vec::new();
        loop {
            let begin = seen.len();
            if from_client.read_buf(&mut seen).await? == 0 || memmem(&seen, ALLERGEN.as_bytes()) {
                return std::io::Result::Ok(());
            }
            to_server.write_all(&seen[begin..]).await?;
            // The word may come in two pieces.
            seen.drain(..seen.len().saturating_sub(ALLERGEN.len()));
        }
    };
    // Either end ends both.
    tokio::select! {
        _ = answers => {}
        _ = messages => {}
    }
}

fn memmem(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
