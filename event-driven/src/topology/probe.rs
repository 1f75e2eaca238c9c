//! Asks by a message what AMQP can't ask by a method: does `task.exchange` have its alternate exchange?
//!
//! Where other services declared `task.exchange` without the argument, a policy can add it; declaring then still finds
//! the argument missing. So a message without a body goes to `task.exchange` by a key that nobody binds, and must show up
//! behind `task.unrouted.exchange`. It shows up in `tasks` too, where consumers drop it ([`is_probe`]).

use lapin::{
    BasicProperties, Channel, Connection,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};

use super::declarer::Refusal;
use crate::names::{TASK_EXCHANGE, TASK_UNROUTED_EXCHANGE, TASKS_QUEUE};

/// Marks the message of a probe.
const HEADER: &str = "x-topology-probe";

/// Whether a message is the probe of a topology check, to be acked and forgotten: no producer sends such a thing.
pub fn is_probe(properties: &BasicProperties, body: &[u8]) -> bool {
    body.is_empty() && properties.headers().as_ref().is_some_and(|headers| headers.contains_key(HEADER))
}

/// When a message may be published to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// In any case; it may wait in `tasks` for its next consumer.
    Always,
    /// If it does not stay in `tasks`: there is no such queue, or it has a consumer.
    IfNothingStays,
}

/// How `task.exchange` comes by its alternate exchange, where its arguments have none.
#[derive(Debug)]
pub(super) enum Alternate {
    /// By a policy.
    ByPolicy,
    /// Not at all.
    None,
    /// RabbitMQ refuses to let this be found out, in its words.
    Refused(String),
    /// That can't be told without a message that stays, as this says.
    Untold(String),
}

/// Whether what no queue is bound for reaches `task.unrouted.exchange`.
pub(super) async fn alternate(connection: &Connection, probe: Probe) -> Result<Alternate, lapin::Error> {
    if probe == Probe::IfNothingStays && stays(connection).await? {
        return Ok(Alternate::Untold(format!(
            "it has no alternate exchange of its own; whether a policy adds {TASK_UNROUTED_EXCHANGE} takes a message to \
             find out, which would stay in {TASKS_QUEUE} while nobody consumes that; who declares the topology finds out"
        )));
    }
    let channel = connection.create_channel().await?;
    let arrived = arrives(&channel).await;
    // It takes the exclusive queue's only consumer with it; an error here says no more than one in `arrives`.
    let _ = channel.close(200, "probed".into()).await;
    match arrived.map_err(Refusal::of) {
        Ok(true) => Ok(Alternate::ByPolicy),
        Ok(false) | Err(Refusal::Missing(_)) => Ok(Alternate::None),
        Err(Refusal::Connection(error)) => Err(error),
        Err(Refusal::Other(reason)) => Ok(Alternate::Refused(reason)),
        Err(Refusal::Differs(mismatch)) => Ok(Alternate::Refused(mismatch.to_string())),
    }
}

/// Whether a message in `tasks` would wait there for its consumer.
async fn stays(connection: &Connection) -> Result<bool, lapin::Error> {
    let channel = connection.create_channel().await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    match channel.queue_declare(TASKS_QUEUE.into(), passive, FieldTable::default()).await {
        Ok(tasks) => {
            channel.close(200, "asked".into()).await?;
            Ok(tasks.consumer_count() == 0)
        }
        Err(error) => match Refusal::of(error) {
            Refusal::Missing(_) => Ok(false),
            Refusal::Differs(_) | Refusal::Other(_) => Ok(true),
            Refusal::Connection(error) => Err(error),
        },
    }
}

async fn arrives(channel: &Channel) -> Result<bool, lapin::Error> {
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    channel
        .exchange_declare(TASK_UNROUTED_EXCHANGE.into(), lapin::ExchangeKind::Fanout, passive, FieldTable::default())
        .await?;
    let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue: ShortString = channel.queue_declare("".into(), own, FieldTable::default()).await?.name().clone();
    channel
        .queue_bind(
            queue.clone(),
            TASK_UNROUTED_EXCHANGE.into(),
            "".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let key = ShortString::try_new(format!("probe.{}", uuid::Uuid::now_v7())).unwrap_or_default();
    let mut headers = FieldTable::default();
    headers.insert(HEADER.into(), AMQPValue::Boolean(true));
    let properties = BasicProperties::default().with_headers(headers);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    channel.basic_publish(TASK_EXCHANGE.into(), key.clone(), options, &[], properties).await?.await?;
    // Tasks may pass through at the same time; the probe is among the first that the new queue got.
    while let Some(message) = channel.basic_get(queue.clone(), BasicGetOptions { no_ack: true }).await? {
        if message.delivery.routing_key == key {
            channel.queue_delete(queue, lapin::options::QueueDeleteOptions::default()).await?;
            return Ok(true);
        }
    }
    channel.queue_delete(queue, lapin::options::QueueDeleteOptions::default()).await?;
    Ok(false)
}
