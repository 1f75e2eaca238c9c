//! What is in a dead-letter queue at the end.

use event_driven::{
    connection::{self, ConnectionSettings},
    lapin::{BasicProperties, options::BasicGetOptions, types::AMQPValue},
};

use crate::process::PATIENCE;

/// A message that nobody could handle.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) message_id: Option<String>,
    /// The header `x-error`.
    pub(crate) error: Option<String>,
    /// The producer and the header with the task's name that it was published with, which have to be intact.
    pub(crate) app_id: Option<String>,
    pub(crate) own_header: Option<String>,
    pub(crate) body: String,
}

/// Takes all messages of a queue.
pub(crate) async fn take(url: &str, queue: &str) -> Vec<DeadLetter> {
    let address = url.parse().expect("the test's URL is right");
    let settings = ConnectionSettings { address, name: "chaos".into(), timeout: PATIENCE };
    let connection = connection::connect(&settings).await.expect("RabbitMQ is there");
    let channel = connection.create_channel().await.expect("a channel");
    let mut taken = Vec::new();
    let options = BasicGetOptions { no_ack: true };
    while let Some(message) = channel.basic_get(queue.into(), options).await.expect("the queue is there") {
        let properties = &message.properties;
        taken.push(DeadLetter {
            message_id: properties.message_id().as_ref().map(ToString::to_string),
            error: header(properties, "x-error"),
            app_id: properties.app_id().as_ref().map(ToString::to_string),
            own_header: header(properties, "chaos"),
            body: String::from_utf8_lossy(&message.data).into_owned(),
        });
    }
    taken
}

fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        other => Some(format!("{other:?}")),
    }
}
