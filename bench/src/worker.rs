//! What every worker here does at both ends of a task: deliveries in, its payload, its answer out.

use lapin::{
    BasicProperties, Channel, Connection, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, BasicPublishOptions, BasicQosOptions},
    types::FieldTable,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Places, Result, publish};

/// A consumer, the channel that its acks and answers go over, and what both end with.
pub(crate) struct Worker {
    pub(crate) deliveries: Consumer,
    pub(crate) channel: Channel,
    _connection: Connection,
}

#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
}

impl Worker {
    /// Begins to consume, with so many unsettled at once.
    pub(crate) async fn start(places: &Places, queue: &str, prefetch: u16) -> Result<Self> {
        let connection = publish::connect(&places.rabbitmq).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let deliveries = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
        Ok(Self { deliveries, channel, _connection: connection })
    }
}

/// What a task is given.
pub(crate) fn payload(delivery: &Delivery) -> Result<&str> {
    let request: Request<'_> = serde_json::from_slice(&delivery.data)?;
    Ok(request.payload.get())
}

/// Tells who asked for it what came of a task.
pub(crate) async fn answer(channel: &Channel, delivery: &Delivery, result: &str) -> Result<()> {
    let Some(queue) = delivery.properties.reply_to() else { return Ok(()) };
    let id = delivery.properties.correlation_id().clone().unwrap_or_default();
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default().with_correlation_id(id));
    channel.basic_publish("".into(), queue.clone(), options, result.as_bytes(), properties).await?;
    Ok(())
}
