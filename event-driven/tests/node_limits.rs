//! What a RabbitMQ does that has come to a limit of its own: short of memory it takes no messages, and it closes the channel
//! of who is too slow. Both are told, nothing is lost, and it goes on. On nodes that no other test uses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/node.rs"]
mod node;
#[path = "support/service.rs"]
mod service;
#[path = "support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use event_driven::{
    client::{Client, Deliveries, Health, Settlement, Source},
    names::{Attempt, EventKey, EventType, Subscription},
    publisher::Publisher,
    topology,
};
use node::Node;
use serde_json::json;
use service::{LONG, key, settings, within};

/// A service that has subscribed to changes of users, with a prefetch of 1.
struct Billing {
    client: Client,
    user: EventKey,
    source: Source,
}

impl Billing {
    async fn at(node: &Node) -> Self {
        let mut settings = settings("billing", &node.url());
        // Longer than the commands take for which it waits.
        (settings.publisher.timeout, settings.publisher.patience) = (2 * LONG, 2 * LONG);
        let client = within(Client::connect(settings)).await.unwrap();
        let user = key(EventType::Create, "user");
        let subscription = Subscription { event: user.clone(), service: client.settings().service.clone() };
        client.declare(&topology::subscription(&subscription, &client.settings().topology)).await.unwrap();
        let source = Source::subscription(&subscription, 3, NonZeroU16::MIN);
        Self { client, user, source }
    }

    fn consume(&self) -> Deliveries {
        self.client.consume(self.source.clone())
    }
}

/// `None` where RabbitMQ is not installed.
async fn start() -> Option<Arc<Node>> {
    tokio::task::spawn_blocking(Node::start).await.unwrap().map(Arc::new)
}

/// Commands take seconds; meanwhile the test goes on.
async fn on(node: &Arc<Node>, order: impl FnOnce(&Node) + Send + 'static) {
    let node = Arc::clone(node);
    tokio::task::spawn_blocking(move || order(&node)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_rabbitmq_takes_no_messages_health_tells_it_and_consuming_goes_on() {
    let Some(node) = start().await else { return };
    let billing = Billing::at(&node).await;
    let Billing { client, user, .. } = &billing;
    let publisher = Publisher::new(client);
    for n in 0..4 {
        publisher.event_of(user, &json!({ "n": n })).await.unwrap();
    }
    let mut deliveries = billing.consume();
    let first = within(deliveries.recv()).await.unwrap();

    on(&node, |node| node.short_of_memory(true)).await;
    let waiting = tokio::spawn({
        let (publisher, user) = (publisher.clone(), user.clone());
        async move { publisher.event_of(&user, &json!({ "n": 4 })).await }
    });
    let mut health = client.health();
    let red = within(health.wait_for(|health| *health != Health::Connected)).await.unwrap().clone();
    let Health::Disconnected(reason) = red else { unreachable!() };
    assert!(reason.starts_with("RabbitMQ takes no messages: ") && reason.contains("memory"), "{reason}");
    // The prefetch is 1: the next delivery shows that the ack before it arrived.
    first.settle(Settlement::Ack);
    let second = within(deliveries.recv()).await.unwrap();
    second.settle(Settlement::Ack);
    let third = within(deliveries.recv()).await.unwrap();
    // Its copy can't be published now, so it is not acked either.
    third.settle(Settlement::Retry { attempt: Attempt::new(1), error: "e".to_owned() });
    assert!(!waiting.is_finished());
    assert_ne!(*client.health().borrow(), Health::Connected);

    on(&node, |node| node.short_of_memory(false)).await;
    within(health.wait_for(|health| *health == Health::Connected)).await.unwrap();
    within(waiting).await.unwrap().unwrap();
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let delivery = within(deliveries.recv()).await.unwrap();
        bodies.push(String::from_utf8(delivery.body.to_vec()).unwrap());
        delivery.settle(Settlement::Ack);
    }
    bodies.sort();
    assert_eq!(bodies, [r#"{"n":2}"#, r#"{"n":3}"#, r#"{"n":4}"#]);
    assert!(client.close(LONG).await);
}

const TIMEOUT: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_rabbitmq_closes_for_a_slow_consumer_is_opened_again() {
    let Some(node) = start().await else { return };
    on(&node, |node| node.consumer_timeout(TIMEOUT)).await;
    let billing = Billing::at(&node).await;
    let Billing { client, user, .. } = &billing;
    Publisher::new(client).event_of(user, &json!({ "n": 1 })).await.unwrap();
    let mut deliveries = billing.consume();
    let slow = within(deliveries.recv()).await.unwrap();
    let mut health = client.health();
    let red =
        tokio::spawn(
            async move { health.wait_for(|health| *health != Health::Connected).await.map(|told| told.clone()) },
        );

    tokio::time::sleep(TIMEOUT).await;
    on(&node, Node::look_for_consumers).await;
    let Health::Disconnected(reason) = within(red).await.unwrap().unwrap() else { unreachable!() };
    assert!(reason.contains("PRECONDITION_FAILED") && reason.contains("timeout"), "{reason}");
    assert!(slow.is_void());
    // Too late: it is delivered again, and this says nothing to RabbitMQ.
    slow.settle(Settlement::Ack);
    let again = within(deliveries.recv()).await.unwrap();
    assert!(again.redelivered);
    again.settle(Settlement::Ack);
    assert!(client.close(LONG).await);
}
