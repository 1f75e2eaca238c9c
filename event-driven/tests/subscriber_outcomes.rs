//! What becomes of a message by what its handler returned.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "support/peer.rs"]
mod peer;
#[path = "support/vhost.rs"]
mod vhost;

use std::time::Duration;

use event_driven::{
    client::{Client, ClientSettings},
    lapin::{
        BasicProperties,
        types::{AMQPValue, FieldTable},
    },
    names::{EVENT_EXCHANGE, Entity, EventKey, EventType},
    subscriber::{Delivery, HandlerError},
};
use peer::{PATIENCE, Peer, number_header, text_header};
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use vhost::Vhost;

#[derive(Deserialize)]
struct User {
    name: String,
}

const KEY: &str = "routing.event.create.user";
const QUEUE: &str = "event.create.user.to.billing";
const DEAD: &str = "dead.event.create.user.to.billing";

fn key() -> EventKey {
    EventKey { event_type: EventType::Create, entity: Entity::new("user").unwrap() }
}

async fn client(vhost: &Vhost) -> Client {
    let mut settings = ClientSettings::new("billing".parse().unwrap(), vhost.address());
    settings.topology.retry_delay = Duration::from_millis(20);
    settings.connect_timeout = Duration::from_secs(30);
    Client::connect(settings).await.unwrap()
}

/// Everything that a message may say of itself, but for what RabbitMQ acts on.
fn properties() -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("tenant".into(), AMQPValue::LongString("north".into()));
    headers.insert("weight".into(), AMQPValue::Double(0.5));
    BasicProperties::default()
        .with_app_id("shop".into())
        .with_correlation_id("order-17".into())
        .with_message_id("message-1".into())
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(2)
        .with_priority(3)
        .with_timestamp(1_700_000_000)
        .with_type("user.created".into())
        .with_reply_to("replies".into())
        .with_headers(headers)
}

fn without_headers(properties: &BasicProperties) -> String {
    format!("{:?}", properties.clone().with_headers(FieldTable::default()))
}

/// Subscribes with a handler that does what `act` says of a user's name, and tells of each delivery that it gets.
async fn subscribe(client: &Client, act: fn(&str) -> Result<(), HandlerError>) -> UnboundedReceiver<Delivery> {
    let (tell, told) = unbounded_channel();
    let handler = move |user: User, delivery: &Delivery| {
        tell.send(delivery.clone()).unwrap();
        async move { act(&user.name) }
    };
    client.subscribe(key(), handler).await.unwrap();
    told
}

async fn next(deliveries: &mut UnboundedReceiver<Delivery>) -> Delivery {
    tokio::time::timeout(PATIENCE, deliveries.recv()).await.expect("the handler is not called").expect("it is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_technical_error_has_three_retries_and_then_is_dead_with_all_it_said_of_itself() {
    let vhost = Vhost::create();
    let client = client(&vhost).await;
    let mut deliveries = subscribe(&client, |name| Err(HandlerError::technical(format!("no mail for {name}")))).await;
    let peer = Peer::connect(&vhost).await;
    peer.publish(EVENT_EXCHANGE, KEY, properties(), br#"{"name": "Ada"}"#).await;
    for attempt in 0..=3 {
        let delivery = next(&mut deliveries).await;
        assert_eq!((delivery.headers.attempt.number(), delivery.routing_key.as_str()), (attempt, KEY));
        assert_eq!(delivery.headers.correlation_id.as_str(), "order-17");
        assert_eq!(without_headers(&delivery.properties), without_headers(&properties()));
    }
    let dead = peer.read(DEAD).await.next().await;
    assert_eq!(without_headers(&dead.properties), without_headers(&properties()));
    assert_eq!(dead.data, br#"{"name": "Ada"}"#);
    assert_eq!(number_header(&dead, "x-attempt"), Some(3));
    assert_eq!(text_header(&dead, "x-error").as_deref(), Some("technical: no mail for Ada"));
    assert_eq!(text_header(&dead, "x-routing-key").as_deref(), Some(KEY));
    assert_eq!(text_header(&dead, "tenant").as_deref(), Some("north"));
    assert_eq!(dead.properties.headers().as_ref().unwrap().inner().get("weight"), Some(&AMQPValue::Double(0.5)));
    assert_settled(client, &vhost).await;
    assert!(deliveries.try_recv().is_err(), "it was handled once more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_counts_as_technical_and_harms_no_other_delivery() {
    let vhost = Vhost::create();
    let client = client(&vhost).await;
    let mut deliveries = subscribe(&client, |name| match name {
        "Ada" => panic!("no {name} here"),
        _ => Ok(()),
    })
    .await;
    let peer = Peer::connect(&vhost).await;
    peer.publish(EVENT_EXCHANGE, KEY, properties(), br#"{"name": "Ada"}"#).await;
    peer.publish(EVENT_EXCHANGE, KEY, properties(), br#"{"name": "Eve"}"#).await;
    let dead = peer.read(DEAD).await.next().await;
    assert_eq!(text_header(&dead, "x-error").as_deref(), Some("technical: the handler panicked: no Ada here"));
    assert_eq!(number_header(&dead, "x-attempt"), Some(3));
    let mut attempts = Vec::new();
    for _ in 0..5 {
        attempts.push(next(&mut deliveries).await.headers.attempt.number());
    }
    attempts.sort_unstable();
    assert_eq!(attempts, [0, 0, 1, 2, 3]);
    assert_settled(client, &vhost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_before_the_handler_s_future_is_made_is_one_too() {
    let vhost = Vhost::create();
    let client = client(&vhost).await;
    let handler = |user: User, _: &Delivery| {
        assert_ne!(user.name, "Ada");
        async { Ok::<(), HandlerError>(()) }
    };
    client.subscribe(key(), handler).await.unwrap();
    let peer = Peer::connect(&vhost).await;
    peer.publish(EVENT_EXCHANGE, KEY, properties(), br#"{"name": "Ada"}"#).await;
    let error = text_header(&peer.read(DEAD).await.next().await, "x-error").unwrap();
    assert!(error.starts_with("technical: the handler panicked: assertion"), "{error}");
    assert_settled(client, &vhost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_acked() {
    let vhost = Vhost::create();
    let client = client(&vhost).await;
    let mut deliveries = subscribe(&client, |name| match name {
        "model" => Err(HandlerError::model("no such user")),
        _ => Err(HandlerError::business("not on sundays")),
    })
    .await;
    let peer = Peer::connect(&vhost).await;
    // The second does not fit into the handler's type, which never sees it.
    for body in [r#"{"name": "model"}"#, r#"{"name": 1}"#, r#"{"name": "business"}"#] {
        peer.publish(EVENT_EXCHANGE, KEY, properties(), body.as_bytes()).await;
    }
    for _ in 0..2 {
        assert_eq!(next(&mut deliveries).await.headers.attempt.number(), 0);
    }
    assert_settled(client, &vhost).await;
    assert!(deliveries.try_recv().is_err(), "a third was handled");
}

/// Nothing is left in the subscriber's queues once all that was delivered is settled.
async fn assert_settled(client: Client, vhost: &Vhost) {
    assert!(client.close(PATIENCE).await, "a delivery is not settled");
    let peer = Peer::connect(vhost).await;
    let retries = (0..3).map(|attempt| format!("attempt.{attempt}.create.user.to.billing"));
    for queue in [QUEUE.to_owned(), DEAD.to_owned()].into_iter().chain(retries) {
        assert_eq!(peer.depth(&queue).await, 0, "{queue}");
    }
}
