//! How commands publish: on the broker of the settings, or over HTTP to a running warren where none is set.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use event_driven::{
    connection::{self, ConnectionSettings},
    lapin::{
        BasicProperties, Connection, Consumer,
        options::{BasicConsumeOptions, QueueDeclareOptions},
        types::{AMQPValue, FieldTable, ShortString},
    },
    message::{EventMessage, JsonText, ShortText, TaskRequest},
    names::Attempt,
    publisher::{Publisher, PublisherSettings},
};
use futures_util::StreamExt;
use serde_json::{Map, Value, json, value::RawValue};
use tokio::time::Instant;
use uuid::Uuid;

use super::{client::Client, event, task};
use crate::{
    config::Config,
    service::{id_of_message, reply},
};

/// Asks for a task, and waits for its outcome if that was asked for. Gives what is known of the task, as its row would.
pub(super) async fn publish_task(
    config: &Config,
    args: &task::Publish,
    payload: Box<RawValue>,
) -> anyhow::Result<Value> {
    if config.broker.url.is_empty() {
        return publish_task_over_http(config, args, payload).await;
    }
    let request = TaskRequest {
        routing_key: args.routing_key.clone().unwrap_or_else(|| format!("routing.task.run.{}", args.name)),
        task_name: args.name.parse()?,
        payload: JsonText::new(payload.get()).context("the payload")?,
        producer_app: short(args.producer.as_ref(), || config.service.name.clone()).context("--producer")?,
        correlation_id: short(args.correlation_id.as_ref(), new_id).context("--correlation-id")?,
        message_id: Some(short(args.message_id.as_ref(), new_id).context("--message-id")?),
        reply_to: None,
        attempt: Attempt::FIRST,
        traceparent: None,
        tracestate: None,
    };
    let broker = Arc::new(connect(config).await?);
    let publisher = Publisher::new(broker.clone(), &publisher_settings(config)).await?;
    let told = match args.wait {
        false => publisher.publish_task(&request).await.map(|()| json!({ "status": "PENDING" }))?,
        true => publish_and_wait(&broker, &publisher, request.clone(), args.timeout).await?,
    };
    let id = request.message_id.as_ref().map(|message_id| id_of_message(&request.producer_app, message_id));
    let mut shown = json!({
        "id_task": id,
        "task_name": request.task_name.as_str(),
        "correlation_id": request.correlation_id.as_str(),
    });
    if let (Some(shown), Value::Object(told)) = (shown.as_object_mut(), told) {
        shown.extend(told);
    }
    Ok(shown)
}

async fn publish_task_over_http(
    config: &Config,
    args: &task::Publish,
    payload: Box<RawValue>,
) -> anyhow::Result<Value> {
    let body = json!({
        "task_name": args.name, "payload": payload, "producer_app": args.producer, "message_id": args.message_id,
        "correlation_id": args.correlation_id, "routing_key": args.routing_key,
    });
    let deadline = Instant::now() + if args.wait { args.timeout } else { Duration::ZERO };
    let wait = || deadline.saturating_duration_since(Instant::now()).min(ONE_WAIT);
    let client = Client::new(config)?;
    let mut task = client.post(&format!("/v1/tasks?wait={}ms", wait().as_millis()), &body, wait()).await?;
    while is_open(&task) && !wait().is_zero() {
        let id = task.get("id_task").and_then(Value::as_str).context("the answer names no task")?;
        let query = [("wait", format!("{}ms", wait().as_millis()))];
        task = client.get_patiently(&format!("/v1/tasks/{id}"), &query, wait()).await?.context("the task is gone")?;
    }
    Ok(task)
}

/// The longest that one request waits; the interface takes no longer ones than five minutes.
const ONE_WAIT: Duration = Duration::from_secs(60);

fn is_open(task: &Value) -> bool {
    matches!(task.get("status").and_then(Value::as_str), Some("PENDING" | "RUNNING"))
}

/// Publishes with a queue for the answer, and waits for that.
async fn publish_and_wait(
    broker: &Connection,
    publisher: &Publisher,
    mut request: TaskRequest,
    patience: Duration,
) -> anyhow::Result<Value> {
    let (queue, mut answers) = answer_queue(broker).await.context("no queue for the answer could be made")?;
    request.reply_to = Some(queue.as_str().parse()?);
    publisher.publish_task(&request).await?;
    let answer = tokio::time::timeout(patience, answers.next())
        .await
        .with_context(|| format!("no outcome within {}; the task goes on", humantime::format_duration(patience)))?;
    let Some(answer) = answer else { bail!("the connection to RabbitMQ ended; the task goes on") };
    let answer = answer.context("the connection to RabbitMQ was lost; the task goes on")?;
    Ok(read_answer(&answer.properties, &answer.data))
}

/// A queue of this connection alone, which goes with it.
async fn answer_queue(broker: &Connection) -> Result<(ShortString, Consumer), event_driven::lapin::Error> {
    let channel = broker.create_channel().await?;
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default()).await?;
    Ok((queue.name().clone(), consumer))
}

/// What the answer says, in the words of the row.
fn read_answer(properties: &BasicProperties, body: &[u8]) -> Value {
    let status = properties.headers().as_ref().and_then(|headers| headers.inner().get(reply::STATUS_HEADER));
    let status = match status {
        Some(AMQPValue::LongString(status)) => String::from_utf8_lossy(status.as_bytes()).into_owned(),
        _ => String::new(),
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    match status.as_str() {
        "COMPLETED" => json!({ "status": status, "result": body }),
        _ => json!({ "status": status, "error": body.get("error") }),
    }
}

/// Publishes an event; gives the id under which it will be stored.
pub(super) async fn publish_event(
    config: &Config,
    args: &event::Publish,
    payload: Box<RawValue>,
) -> anyhow::Result<Uuid> {
    if config.broker.url.is_empty() {
        let body = json!({
            "routing_key": args.key, "payload": payload, "producer_app": args.producer,
            "message_id": args.message_id, "correlation_id": args.correlation_id,
        });
        let answer = Client::new(config)?.post("/v1/events", &body, Duration::ZERO).await?;
        let id = answer.get("id_event_store").and_then(Value::as_str).context("the answer names no event")?;
        return Ok(id.parse()?);
    }
    let message_id = short(args.message_id.as_ref(), new_id).context("--message-id")?;
    let event = EventMessage {
        routing_key: args.key.clone(),
        producer_app: short(args.producer.as_ref(), || config.service.name.clone()).context("--producer")?,
        correlation_id: short(args.correlation_id.as_ref(), new_id).context("--correlation-id")?,
        message_id: Some(message_id.clone()),
        headers: Map::new(),
        payload: JsonText::new(payload.get()).context("the payload")?,
    };
    if !event.payload.is_object() {
        bail!("an event's payload is a JSON object");
    }
    let broker = Arc::new(connect(config).await?);
    Publisher::new(broker, &publisher_settings(config)).await?.publish_event(&event).await?;
    Ok(id_of_message(&event.producer_app, &message_id))
}

async fn connect(config: &Config) -> anyhow::Result<Connection> {
    let settings = ConnectionSettings {
        address: config.broker.url.parse()?,
        name: format!("{} (command line)", config.service.name),
        timeout: config.broker.connect_timeout,
    };
    Ok(connection::connect(&settings).await?)
}

fn publisher_settings(config: &Config) -> PublisherSettings {
    PublisherSettings { timeout: config.broker.connect_timeout, ..PublisherSettings::default() }
}

fn short(given: Option<&String>, default: impl FnOnce() -> String) -> anyhow::Result<ShortText> {
    Ok(given.cloned().unwrap_or_else(default).parse()?)
}

fn new_id() -> String {
    Uuid::now_v7().to_string()
}
