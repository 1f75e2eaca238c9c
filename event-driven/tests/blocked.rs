//! A RabbitMQ that is short of memory takes no messages: that is told, nothing is lost, and consuming goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/node.rs"]
mod node;
#[path = "support/service.rs"]
mod service;
#[path = "support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::{num::NonZeroU16, sync::Arc};

use event_driven::{
    client::{Client, Health, Settlement, Source},
    names::{Attempt, EventType},
    publisher::Publisher,
    topology,
};
use node::Node;
use serde_json::json;
use service::{LONG, key, settings, within};

#[tokio::test(flavor = "multi_thread")]
async fn while_rabbitmq_takes_no_messages_health_tells_it_and_consuming_goes_on() {
    let Some(node) = tokio::task::spawn_blocking(Node::start).await.unwrap() else { return };
    let node = Arc::new(node);
    let client = within(Client::connect(settings("billing", &node.url()))).await.unwrap();
    let user = key(EventType::Create, "user");
    let subscription =
        event_driven::names::Subscription { event: user.clone(), service: client.settings().service.clone() };
    client.declare(&topology::subscription(&subscription, &client.settings().topology)).await.unwrap();
    let publisher = Publisher::new(&client);
    for n in 0..4 {
        publisher.event_of(&user, &json!({ "n": n })).await.unwrap();
    }
    let mut deliveries = client.consume(Source::subscription(&subscription, 3, NonZeroU16::MIN));
    let first = within(deliveries.recv()).await.unwrap();

    short_of_memory(&node, true).await;
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

    short_of_memory(&node, false).await;
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

/// The command takes seconds; meanwhile the test goes on.
async fn short_of_memory(node: &Arc<Node>, short: bool) {
    let node = Arc::clone(node);
    tokio::task::spawn_blocking(move || node.short_of_memory(short)).await.unwrap();
}
