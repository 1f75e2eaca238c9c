//! How commands publish: on the broker of the settings, or over HTTP to a running warren where none is set.

use std::time::Duration;

use anyhow::{Context, bail};
use event_driven::{
    client::{self as broker, ClientSettings},
    message::{EventMessage, JsonText, Outcome, ShortText, Start, TaskRequest},
    names::{Attempt, Priority},
    publisher::{Publication, Publisher, PublisherSettings},
};
use serde_json::{Map, Value, json, value::RawValue};
use tokio::time::Instant;
use uuid::Uuid;

use super::{client::Client, event, task};
use crate::{config::Config, lifecycle::id_of_message};

/// Asks for a task, and waits for its outcome if that was asked for. Gives what is known of the task, as its row would.
pub(super) async fn publish_task(
    config: &Config,
    args: &task::Publish,
    payload: Box<RawValue>,
) -> anyhow::Result<Value> {
    if config.broker.url.is_empty() {
        return publish_task_over_http(config, args, payload).await;
    }
    let task_name = args.name.parse()?;
    let request = TaskRequest {
        routing_key: args.routing_key.clone().unwrap_or_else(|| args.priority.default_key(&task_name)),
        task_name,
        payload: JsonText::new(payload.get()).context("the payload")?,
        producer_app: short(args.producer.as_ref(), || config.service.name.clone()).context("--producer")?,
        correlation_id: short(args.correlation_id.as_ref(), new_id).context("--correlation-id")?,
        message_id: Some(short(args.message_id.as_ref(), new_id).context("--message-id")?),
        reply_to: None,
        attempt: Attempt::FIRST,
        start: start(args)?,
        priority: args.priority,
        unique_for: args.unique_for,
        traceparent: None,
        tracestate: None,
    };
    let publisher = connect(config).await?;
    let publication = Publication::of_task(&request);
    let told = match args.wait {
        false => publisher.publish(publication).await.map(|()| json!({ "status": "PENDING" }))?,
        true => shown(&publisher.call(publication, args.timeout).await?),
    };
    let id = request.message_id.as_ref().map(|message_id| id_of_message(&request.producer_app, message_id));
    let mut task = json!({
        "id_task": id,
        "task_name": request.task_name.as_str(),
        "correlation_id": request.correlation_id.as_str(),
    });
    if let (Some(task), Value::Object(told)) = (task.as_object_mut(), told) {
        task.extend(told);
    }
    Ok(task)
}

async fn publish_task_over_http(
    config: &Config,
    args: &task::Publish,
    payload: Box<RawValue>,
) -> anyhow::Result<Value> {
    let class = (args.priority != Priority::Normal).then(|| args.priority.as_str());
    let mut body = json!({
        "task_name": args.name, "payload": payload, "producer_app": args.producer, "message_id": args.message_id,
        "correlation_id": args.correlation_id, "routing_key": args.routing_key,
        "delay_ms": args.delay.map(|delay| delay.as_millis()), "run_at": args.run_at,
        "priority": class, "unique_for_ms": args.unique_for.map(|time| time.time().as_millis()),
    });
    // What was not asked for is not said: a server that is older need not know of it.
    if let Value::Object(members) = &mut body {
        members.retain(|name, value| name == "payload" || !value.is_null());
    }
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

/// What the outcome says, in the words of the row.
fn shown(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Completed(result) => {
            let result: Value = serde_json::from_str(result.as_str()).unwrap_or_default();
            json!({ "status": outcome.status(), "result": result })
        }
        Outcome::Failed(error) | Outcome::Cancelled(error) => json!({ "status": outcome.status(), "error": error }),
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
    connect(config).await?.publish(Publication::of_event(&event)?).await?;
    Ok(id_of_message(&event.producer_app, &message_id))
}

/// A publisher on the broker of the settings. Declares nothing: that is the service's to do.
pub(super) async fn connect(config: &Config) -> anyhow::Result<Publisher> {
    let timeout = config.broker.connect_timeout;
    let publisher = PublisherSettings { timeout, patience: timeout, ..PublisherSettings::default() };
    let client = broker::Client::connect_with(ClientSettings { publisher, ..config.to_client()? }, Vec::new()).await?;
    Ok(Publisher::new(&client))
}

fn start(args: &task::Publish) -> anyhow::Result<Start> {
    match (args.delay, args.run_at) {
        (Some(delay), _) => Start::after(delay).context("--delay"),
        (None, Some(at)) => Start::at(at).context("--run-at"),
        (None, None) => Ok(Start::AtOnce),
    }
}

fn short(given: Option<&String>, default: impl FnOnce() -> String) -> anyhow::Result<ShortText> {
    Ok(given.cloned().unwrap_or_else(default).parse()?)
}

fn new_id() -> String {
    Uuid::now_v7().to_string()
}
