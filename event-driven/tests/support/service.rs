//! A service for one test: a client on a virtual host of its own, and the words in which tests speak of it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{num::NonZeroU16, time::Duration};

use event_driven::{
    client::{Client, ClientSettings},
    connection::{ConnectionSettings, connect},
    lapin::{
        Channel, Connection,
        message::BasicGetMessage,
        options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions},
        types::FieldTable,
    },
    names::{Entity, EventKey, EventType},
    publisher::PublisherSettings,
    subscriber::SubscriberSettings,
    topology::TopologySettings,
};

use crate::vhost::Vhost;

/// Nothing here takes so long unless it is broken. Two cores may be busy with other tests.
pub const LONG: Duration = Duration::from_secs(90);

/// Settings that make a test quick. An event that nobody subscribed to is no error.
pub fn settings(service: &str, url: &str) -> ClientSettings {
    ClientSettings {
        connect_timeout: Duration::from_secs(30),
        topology: TopologySettings { retry_delay: Duration::from_millis(50), ..TopologySettings::default() },
        publisher: PublisherSettings { mandatory_events: false, ..PublisherSettings::default() },
        subscriber: SubscriberSettings { prefetch: NonZeroU16::new(32).unwrap(), ..SubscriberSettings::default() },
        ..ClientSettings::new(service.parse().unwrap(), url.parse().unwrap())
    }
}

/// A client of that service.
pub async fn client(service: &str, vhost: &Vhost) -> Client {
    Client::connect(settings(service, &vhost.url())).await.unwrap()
}

/// The key of one kind of event.
pub fn key(event_type: EventType, entity: &str) -> EventKey {
    EventKey { event_type, entity: Entity::new(entity).unwrap() }
}

/// A connection beside the service's.
pub async fn channel(vhost: &Vhost) -> (Connection, Channel) {
    let settings = ConnectionSettings { address: vhost.address(), name: "test".to_owned(), timeout: LONG };
    let connection = connect(&settings).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// A queue that gets what `exchange` routes by `key`.
pub async fn bound_queue(channel: &Channel, name: &str, exchange: &str, key: &str, arguments: FieldTable) {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), durable, arguments).await.unwrap();
    let none = FieldTable::default();
    channel.queue_bind(name.into(), exchange.into(), key.into(), QueueBindOptions::default(), none).await.unwrap();
}

/// Takes messages out of a queue until there are as many as expected.
pub async fn take(channel: &Channel, queue: &str, count: usize) -> Vec<BasicGetMessage> {
    within(async {
        let mut taken = Vec::new();
        while taken.len() < count {
            match channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap() {
                Some(message) => taken.push(message),
                // `basic.get` does not wait for messages.
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        taken
    })
    .await
}

/// Messages that are ready in a queue.
pub async fn depth(channel: &Channel, queue: &str) -> u32 {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap().message_count()
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it takes too long")
}
