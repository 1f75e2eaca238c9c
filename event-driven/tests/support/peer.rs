//! RabbitMQ as another program sees it: a connection of its own, by which a test publishes and reads as it likes.

#![allow(dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use event_driven::{
    connection::{ConnectionSettings, connect},
    lapin::{
        BasicProperties, Channel, Confirmation, Connection, Consumer,
        message::Delivery,
        options::{
            BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions,
            QueueDeclareOptions,
        },
        types::{AMQPValue, FieldTable},
    },
};
use futures_util::StreamExt;

use crate::vhost::Vhost;

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Another program's connection.
pub struct Peer {
    channel: Channel,
    _connection: Connection,
}

/// A queue that is read.
pub struct Queue {
    consumer: Consumer,
    name: String,
}

impl Peer {
    pub async fn connect(vhost: &Vhost) -> Self {
        let settings = ConnectionSettings { address: vhost.address(), name: "test".to_owned(), timeout: PATIENCE };
        let connection = connect(&settings).await.expect("a connection");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        Self { channel, _connection: connection }
    }

    /// Publishes, and waits until a queue has it.
    pub async fn publish(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties).await;
        let confirmed = confirm.expect("it is sent").await.expect("it is confirmed");
        assert!(matches!(confirmed, Confirmation::Ack(None)), "no queue has it: {confirmed:?}");
    }

    /// Starts to read a queue that exists.
    pub async fn read(&self, queue: &str) -> Queue {
        let consumer = self
            .channel
            .basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .expect("the queue exists");
        Queue { consumer, name: queue.to_owned() }
    }

    /// A queue of this connection that gets what comes to an exchange by a key from now on; its name.
    pub async fn bind(&self, exchange: &str, key: &str) -> String {
        let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare("".into(), own, FieldTable::default()).await.expect("a queue");
        let name = queue.name().clone();
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        self.channel.queue_bind(name.clone(), exchange.into(), key.into(), options, arguments).await.expect("bound");
        name.to_string()
    }

    /// Reads what comes to an exchange by a key from now on.
    pub async fn listen(&self, exchange: &str, key: &str) -> Queue {
        self.read(&self.bind(exchange, key).await).await
    }

    /// Messages that wait in a queue.
    pub async fn depth(&self, queue: &str) -> u32 {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = self.channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
        found.expect("the queue exists").message_count()
    }
}

impl Queue {
    /// The next message, acked.
    pub async fn next(&mut self) -> Delivery {
        let next = tokio::time::timeout(PATIENCE, self.consumer.next()).await;
        let delivery = next.unwrap_or_else(|_| panic!("nothing came into {}", self.name));
        let delivery = delivery.expect("the queue is still there").expect("a delivery");
        delivery.ack(BasicAckOptions::default()).await.expect("acked");
        delivery
    }
}

/// The text of a header.
pub fn text_header(delivery: &Delivery, name: &str) -> Option<String> {
    match delivery.properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

/// The number of a header.
pub fn number_header(delivery: &Delivery, name: &str) -> Option<i64> {
    match delivery.properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        AMQPValue::LongLongInt(number) => Some(*number),
        other => panic!("{name} is {other:?}"),
    }
}
