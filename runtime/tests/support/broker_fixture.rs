//! A broker to test, of any kind, and the words in which tests speak of it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{collections::BTreeMap, num::NonZeroU16, time::Duration};

use bytes::Bytes;
use event_driven::{
    client::ClientSettings,
    connection::{ConnectionSettings, connect},
    lapin::{
        BasicProperties, Channel, Connection,
        options::{BasicGetOptions, QueueDeclareOptions},
        types::{AMQPValue, FieldTable},
    },
    topology::{QueueType, TopologySettings},
};
use warren::broker::{Broker, BrokerConfig, Deliveries, Delivery, Health, InProcessLimits, Publish, Queue, Target};

use crate::vhost::Vhost;

/// Nothing here takes so long unless it is broken.
pub const LONG: Duration = Duration::from_secs(60);
/// Delay before the first retry.
pub const RETRY_DELAY: Duration = Duration::from_millis(50);
pub const PREFETCH: NonZeroU16 = NonZeroU16::new(8).unwrap();

/// What a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Quorum,
    Classic,
    InProcess,
}

/// A broker with queues of its own.
pub struct Fixture {
    pub broker: Broker,
    /// None in process.
    pub vhost: Option<Vhost>,
}

impl Fixture {
    pub async fn start(kind: Kind) -> Self {
        let (broker, vhost) = match kind {
            Kind::InProcess => {
                let limits = InProcessLimits {
                    prefetch: PREFETCH,
                    retries: 2,
                    retry_delay: RETRY_DELAY,
                    ..InProcessLimits::default()
                };
                (Broker::in_process(limits), None)
            }
            Kind::Quorum | Kind::Classic => {
                let vhost = Vhost::create();
                let broker = Broker::connect(config(kind, &vhost.url())).await.unwrap();
                (broker, Some(vhost))
            }
        };
        Self { broker, vhost }
    }

    /// Publishes a task with `body` and gives what was published.
    pub async fn publish_task(&self, key: &str, body: &str) {
        self.publish(Target::Task(key.to_owned()), properties(), body).await;
    }

    pub async fn publish(&self, target: Target, properties: BasicProperties, body: &str) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        within(self.broker.publish(Publish { target, properties, body })).await.unwrap();
    }

    /// The dead letters of `queue`, once there are `count`.
    pub async fn dead_letters(&self, queue: Queue, count: usize) -> Vec<(BasicProperties, Bytes)> {
        match &self.broker {
            Broker::InProcess(broker) => {
                within(async {
                    while broker.dead_letters(queue).len() < count {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
                broker.dead_letters(queue).into_iter().map(|dead| (dead.properties, dead.body)).collect()
            }
            Broker::RabbitMq(_) => {
                let (_connection, channel) = self.channel().await;
                let mut found = Vec::new();
                within(async {
                    while found.len() < count {
                        let options = BasicGetOptions { no_ack: true };
                        if let Some(dead) = channel.basic_get(queue.dead_name().into(), options).await.unwrap() {
                            found.push((dead.delivery.properties, dead.delivery.data.into()));
                        }
                    }
                })
                .await;
                found
            }
        }
    }

    /// A connection beside the broker's.
    pub async fn channel(&self) -> (Connection, Channel) {
        let settings = ConnectionSettings {
            address: self.vhost.as_ref().unwrap().address(),
            name: "test".to_owned(),
            timeout: LONG,
        };
        let connection = connect(&settings).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    /// Messages in a queue of RabbitMQ.
    pub async fn messages(&self, queue: &str) -> u32 {
        let (_connection, channel) = self.channel().await;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap().message_count()
    }
}

/// A client's defaults.
pub fn client(url: &str) -> ClientSettings {
    ClientSettings::new("warren".parse().unwrap(), url.parse().unwrap())
}

/// Settings for RabbitMQ that make a test quick.
pub fn config(kind: Kind, url: &str) -> BrokerConfig {
    let queue_type = if kind == Kind::Classic { QueueType::Classic } else { QueueType::Quorum };
    BrokerConfig {
        prefetch: PREFETCH,
        channels: NonZeroU16::new(2).unwrap(),
        ..BrokerConfig::new(ClientSettings {
            // Two cores may be busy with other tests, and the first quorum queues of a virtual host take their time.
            connect_timeout: Duration::from_secs(30),
            topology: TopologySettings {
                queue_type,
                retries: 2,
                retry_delay: RETRY_DELAY,
                ..TopologySettings::default()
            },
            ..client(url)
        })
    }
}

/// What a producer sets.
pub fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_app_id("shop".into())
        .with_correlation_id("c1".into())
        .with_message_id("m1".into())
        .with_delivery_mode(2)
        .with_headers(headers(&[("tenant", AMQPValue::LongString("acme".into())), ("n", AMQPValue::LongInt(7))]))
}

pub fn headers(headers: &[(&str, AMQPValue)]) -> FieldTable {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), value.clone()));
    FieldTable::from(headers.collect::<BTreeMap<_, _>>())
}

/// A header as text; `-` if it is not there.
pub fn header(properties: &BasicProperties, name: &str) -> String {
    match properties.headers().as_ref().and_then(|headers| headers.inner().get(name)) {
        None => "-".to_owned(),
        Some(AMQPValue::LongString(text)) => text.to_string(),
        Some(AMQPValue::LongLongInt(number)) => number.to_string(),
        Some(AMQPValue::LongInt(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
    }
}

/// The next delivery.
pub async fn next(deliveries: &mut Deliveries) -> Delivery {
    within(deliveries.recv()).await.expect("the broker stopped")
}

/// Asserts that nothing is delivered for a while: the one place where time must pass.
pub async fn nothing(deliveries: &mut Deliveries) {
    let next = tokio::time::timeout(Duration::from_millis(300), deliveries.recv()).await;
    assert!(next.is_err(), "unexpected: {next:?}");
}

pub fn body(delivery: &Delivery) -> &str {
    std::str::from_utf8(&delivery.body).unwrap()
}

/// Waits until the broker is well, or not.
pub async fn until_health(broker: &Broker, well: bool) -> Health {
    let mut health = broker.health();
    within(health.wait_for(|health| (*health == Health::Connected) == well)).await.unwrap().clone()
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it takes too long")
}
