//! Services in Python, with the two libraries that they use, against services with this crate, over a real RabbitMQ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "support/peer.rs"]
mod peer;
#[path = "interop/python.rs"]
mod python;
#[path = "support/vhost.rs"]
mod vhost;

use std::{path::Path, time::Duration};

use event_driven::{
    client::{Client, ClientSettings},
    message::{JsonText, Outcome},
    names::{EVENT_STORE_QUEUE, EventKey, EventType, TaskRoute},
    publisher::Publisher,
    subscriber::{Delivery, HandlerError},
    topology::{self, TopologySettings},
};
use peer::{PATIENCE, Peer, text_header};
use python::Program;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use vhost::Vhost;

#[derive(Deserialize)]
struct User {
    name: String,
}

fn key(event_type: EventType) -> EventKey {
    EventKey { event_type, entity: "user".parse().unwrap() }
}

fn settings(service: &str, vhost: &Vhost) -> ClientSettings {
    let mut settings = ClientSettings::new(service.parse().unwrap(), vhost.address());
    settings.topology.retry_delay = Duration::from_millis(20);
    settings.connect_timeout = Duration::from_secs(30);
    settings
}

/// A service where warren runs too, which keeps every event.
async fn client(settings: ClientSettings) -> Client {
    let plan = topology::plan(&settings.topology);
    Client::connect_with(settings, plan).await.unwrap()
}

/// Subscribes, and tells of each user and attempt. `unlucky` fails the first time.
async fn subscribe(client: &Client, unlucky: &'static str) -> UnboundedReceiver<(String, u32)> {
    let (tell, told) = unbounded_channel();
    let handler = move |user: User, delivery: &Delivery| {
        let attempt = delivery.headers.attempt.number();
        let fails = user.name == unlucky && attempt == 0;
        tell.send((user.name, attempt)).unwrap();
        async move { if fails { Err(HandlerError::technical("not today")) } else { Ok(()) } }
    };
    client.subscribe(key(EventType::Create), handler).await.unwrap();
    told
}

/// So many of what was handled, in an order that does not depend on which came first.
async fn take(handled: &mut UnboundedReceiver<(String, u32)>, count: usize) -> Vec<(String, u32)> {
    let mut taken = Vec::new();
    for _ in 0..count {
        let next = tokio::time::timeout(PATIENCE, handled.recv()).await;
        taken.push(next.unwrap_or_else(|_| panic!("only these are handled: {taken:?}")).unwrap());
    }
    taken.sort();
    taken
}

/// The users that the programs in Python publish.
fn published() -> Vec<(String, u32)> {
    ["aio_pika", "pika"].iter().flat_map(|library| (0..4).map(move |n| (format!("{library}-{n}"), 0))).collect()
}

/// Python publishes to two services and to the store, and one service tries one again.
async fn everybody_gets_each_event_once(python: &Path, vhost: &Vhost, topology: TopologySettings) {
    let billing = client(ClientSettings { topology: topology.clone(), ..settings("billing", vhost) }).await;
    let audit = client(ClientSettings { topology, ..settings("audit", vhost) }).await;
    let mut billed = subscribe(&billing, "pika-2").await;
    let mut audited = subscribe(&audit, "").await;

    for program in ["events_pika.py", "events_aio_pika.py"] {
        Program::start(python, program, &["publish"], vhost).ends().await;
    }
    let mut with_retry = published();
    with_retry.push(("pika-2".to_owned(), 1));
    with_retry.sort();
    assert_eq!(take(&mut billed, 9).await, with_retry);
    assert_eq!(take(&mut audited, 8).await, published());

    // Whatever comes after this one would have come before it.
    let last = json!({ "name": "last" });
    Publisher::new(&billing).event_of(&key(EventType::Create), &last).await.unwrap();
    assert_eq!(take(&mut billed, 1).await, [("last".to_owned(), 0)]);
    assert_eq!(take(&mut audited, 1).await, [("last".to_owned(), 0)]);
    let peer = Peer::connect(vhost).await;
    let mut store = peer.read(EVENT_STORE_QUEUE).await;
    let mut stored = Vec::new();
    loop {
        let event = store.next().await;
        let body: Value = serde_json::from_slice(&event.data).unwrap();
        let name = body["name"].as_str().unwrap().to_owned();
        if name == "last" {
            break;
        }
        stored.push((name, 0));
    }
    stored.sort();
    assert_eq!(stored, published());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_older_services_that_declared_transient_exchanges_first() {
    let Some(python) = python::interpreter() else { return };
    let vhost = Vhost::create();
    Program::start(&python, "events_pika.py", &["declare"], &vhost).ends().await;
    let topology = settings("billing", &vhost).topology;
    assert!(topology.durable_exchanges, "the default");
    everybody_gets_each_event_once(&python, &vhost, topology).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_older_services_that_find_exchanges_as_they_declare_them() {
    let Some(python) = python::interpreter() else { return };
    let vhost = Vhost::create();
    let topology = TopologySettings { durable_exchanges: false, ..settings("billing", &vhost).topology };
    everybody_gets_each_event_once(&python, &vhost, topology).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_service_reads_our_events() {
    let Some(python) = python::interpreter() else { return };
    let vhost = Vhost::create();
    let publisher = Publisher::new(&client(settings("billing", &vhost)).await);
    let mut listener = Program::start(&python, "listen_aio_pika.py", &[], &vhost);
    assert_eq!(listener.says().await, "ready");
    let changed = json!({ "user_id": 1, "name": "Ada ß" });
    publisher.event_of(&key(EventType::Update), &changed).correlation_id("visit-3").await.unwrap();
    let expected = json!({
        "routing_key": "routing.event.update.user",
        "app_id": "billing",
        "correlation_id": "visit-3",
        "content_type": "application/json",
        "attempt": 0,
        "body": changed,
    });
    assert_eq!(listener.says().await, expected);
    listener.ends().await;
}

#[derive(Deserialize)]
struct Order {
    order_id: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn python_calls_a_task_in_each_spelling() {
    let Some(python) = python::interpreter() else { return };
    let vhost = Vhost::create();
    let client = client(settings("orders", &vhost)).await;
    let process = |order: Order, delivery: &Delivery| {
        let producer = delivery.headers.producer_app.clone();
        async move {
            match order.order_id {
                0 => Err(HandlerError::business("there is no order 0")),
                id => Ok(json!({ "order_id": id, "for": producer.as_str() })),
            }
        }
    };
    client.serve_task("process", "order", process).await.unwrap();
    let mut caller = Program::start(&python, "call_pika.py", &[], &vhost);
    let reply = |id: &str, status: &str, body: Value| json!({ "correlation_id": id, "status": status, "body": body });
    let done = |id: u64| json!({ "order_id": id, "for": "python" });
    assert_eq!(caller.says().await, reply("by-headers", "COMPLETED", done(1)));
    assert_eq!(caller.says().await, reply("by-properties", "COMPLETED", done(2)));
    let refused = json!({ "error": "business: there is no order 0" });
    assert_eq!(caller.says().await, reply("refused", "FAILED", refused));
    caller.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_answers_a_call_with_no_more_than_the_correlation_id() {
    let Some(python) = python::interpreter() else { return };
    let vhost = Vhost::create();
    let publisher = Publisher::new(&client(settings("shop", &vhost)).await);
    let mut server = Program::start(&python, "serve_aio_pika.py", &[], &vhost);
    assert_eq!(server.says().await, "ready");
    let route = TaskRoute { action: "process".parse().unwrap(), entity: "order".parse().unwrap() };
    let prices = json!({ "prices": [1, 2, 39] });
    let call = publisher.task("process_order", &prices).route(&route).correlation_id("order-7").timeout(PATIENCE);
    assert_eq!(call.call().await.unwrap(), Outcome::Completed(JsonText::new(r#"{"total": 42}"#).unwrap()));
    let task = json!({ "task_name": "process_order", "payload": prices });
    let expected = json!({ "producer_app": "shop", "correlation_id": "order-7", "task": task });
    assert_eq!(server.says().await, expected);
    server.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_contract_is_set_aside_and_holds_nothing_up() {
    let Some(python) = python::interpreter() else { return };
    let vhost = Vhost::create();
    Program::start(&python, "events_pika.py", &["declare"], &vhost).ends().await;
    let client = client(settings("billing", &vhost)).await;
    let mut handled = subscribe(&client, "").await;
    Program::start(&python, "events_pika.py", &["malformed"], &vhost).ends().await;
    assert_eq!(take(&mut handled, 1).await, [("Ada".to_owned(), 0)]);

    let mut dead = Peer::connect(&vhost).await.read("dead.event.create.user.to.billing").await;
    let mut reasons = Vec::new();
    for _ in 0..4 {
        let message = dead.next().await;
        assert_eq!(text_header(&message, "x-routing-key").as_deref(), Some("routing.event.create.user"));
        let id = message.properties.correlation_id().as_ref().unwrap().to_string();
        reasons.push((id, text_header(&message, "x-error").unwrap()));
    }
    reasons.sort();
    let expected = [
        ("half-json", "malformed: the body is not JSON: EOF while parsing an object at line 1 column 14"),
        ("no-app-id", "malformed: app_id is missing: looked in the properties"),
        ("no-json", "malformed: the body is no JSON object"),
        ("no-object", "malformed: the body is no JSON object"),
    ];
    assert_eq!(reasons, expected.map(|(id, reason)| (id.to_owned(), reason.to_owned())));
    // Each was one delivery: the handler saw nothing else.
    assert!(client.close(PATIENCE).await && handled.recv().await.is_none());
}
