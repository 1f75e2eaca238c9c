//! A delivery that is unsettled for longer than RabbitMQ allows: it closes the channel, and consuming goes on on a new one.

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
    client::{Client, Health, Settlement, Source},
    names::{EventType, Subscription},
    publisher::Publisher,
    topology,
};
use node::Node;
use serde_json::json;
use service::{LONG, key, settings, within};

const TIMEOUT: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_rabbitmq_closes_for_a_slow_consumer_is_opened_again() {
    let Some(node) = tokio::task::spawn_blocking(Node::start).await.unwrap() else { return };
    let node = Arc::new(node);
    on(&node, |node| node.consumer_timeout(TIMEOUT)).await;
    let client = within(Client::connect(settings("billing", &node.url()))).await.unwrap();
    let user = key(EventType::Create, "user");
    let subscription = Subscription { event: user.clone(), service: client.settings().service.clone() };
    client.declare(&topology::subscription(&subscription, &client.settings().topology)).await.unwrap();
    Publisher::new(&client).event_of(&user, &json!({ "n": 1 })).await.unwrap();
    let mut deliveries = client.consume(Source::subscription(&subscription, 3, NonZeroU16::MIN));
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

/// The command takes seconds; meanwhile the test goes on.
async fn on(node: &Arc<Node>, order: impl FnOnce(&Node) + Send + 'static) {
    let node = Arc::clone(node);
    tokio::task::spawn_blocking(move || order(&node)).await.unwrap();
}
