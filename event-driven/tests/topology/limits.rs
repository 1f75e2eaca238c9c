//! What is declared does what the contract says: limits, dead letters, retries.

use std::time::Duration;

use event_driven::{
    lapin::{
        BasicProperties, Connection,
        message::Delivery,
        options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions},
        types::FieldTable,
    },
    names::{Attempt, DEAD_EVENT_EXCHANGE, DEFAULT_EXCHANGE},
    publisher::{PublishError, Publisher},
    topology::{QueueType, TopologySettings, apply, exchanges, subscription},
};
use futures_util::StreamExt;
use serde_json::json;

use crate::{channel, client, connection, messages, subscription_of, user_created, vhost::Vhost, within};

/// A virtual host with the queues of `billing` and of `mail`, who both want to know of created users.
async fn two_subscribers(settings: &TopologySettings) -> (Vhost, Connection) {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    let plan = [
        exchanges(settings),
        subscription(&subscription_of("billing"), settings),
        subscription(&subscription_of("mail"), settings),
    ];
    within(apply(&connection, &plan.concat())).await.unwrap();
    (vhost, connection)
}

/// The next message of a queue.
async fn next(connection: &Connection, queue: &str) -> Delivery {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let channel = channel(connection).await;
    let mut consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap();
    within(consumer.next()).await.unwrap().unwrap()
}

fn both_types(settings: TopologySettings) -> [TopologySettings; 2] {
    [QueueType::Classic, QueueType::Quorum].map(|queue_type| TopologySettings { queue_type, ..settings.clone() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_what_is_published() {
    for settings in both_types(TopologySettings { queue_max_messages: 2, retries: 0, ..Default::default() }) {
        let (vhost, connection) = two_subscribers(&settings).await;
        let client = client("shop", &vhost, &settings).await;
        let publisher = Publisher::new(&client);
        let publish = || async { publisher.event_of(&user_created(), &json!({})).await };
        let mut taken = 0;
        let error = loop {
            match within(publish()).await {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, PublishError::Nacked { .. }), "{error}");
        match settings.queue_type {
            QueueType::Classic => assert_eq!(taken, 2),
            // It tells its publishers that it is full after that has come about.
            QueueType::Quorum => assert!((2..10).contains(&taken), "{taken} were taken"),
        }
        assert_eq!(messages(&connection, "event.create.user.to.billing").await, Some(taken));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_too_long_becomes_a_dead_letter_of_its_subscriber() {
    for settings in both_types(TopologySettings { queue_ttl: Duration::from_millis(50), ..Default::default() }) {
        let (vhost, connection) = two_subscribers(&settings).await;
        let client = client("shop", &vhost, &settings).await;
        Publisher::new(&client).event_of(&user_created(), &json!({ "id": 7 })).await.unwrap();
        for service in ["billing", "mail"] {
            let dead = next(&connection, &format!("dead.event.create.user.to.{service}")).await;
            assert_eq!(dead.data, br#"{"id":7}"#);
            assert_eq!(dead.routing_key.as_str(), format!("dead.routing.create.user.to.{service}"));
            assert_eq!(messages(&connection, &format!("event.create.user.to.{service}")).await, Some(0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_comes_back_to_its_own_queue_only() {
    let billing = subscription_of("billing");
    let attempt = Attempt::new(1);
    for settings in
        both_types(TopologySettings { retry_delay: Duration::from_millis(20), retries: 2, ..Default::default() })
    {
        let (_vhost, connection) = two_subscribers(&settings).await;
        let channel = channel(&connection).await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        // By the queue's name, as this crate does it, and by the key of the contract.
        let ways = [
            (DEFAULT_EXCHANGE, billing.retry_queue(attempt)),
            (DEAD_EVENT_EXCHANGE, billing.retry_routing_key(attempt)),
        ];
        for (exchange, key) in ways {
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            let sent = channel.basic_publish(exchange.into(), key.as_str().into(), options, b"again", properties).await;
            sent.unwrap().await.unwrap();
            let back = next(&connection, &billing.queue()).await;
            assert_eq!((&back.data[..], back.exchange.as_str()), (&b"again"[..], ""));
        }
        for queue in
            ["event.create.user.to.mail", "attempt.0.create.user.to.billing", "dead.event.create.user.to.billing"]
        {
            assert_eq!(messages(&connection, queue).await, Some(0), "{queue}");
        }
    }
}
