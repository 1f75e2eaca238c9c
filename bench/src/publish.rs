//! What a producer publishes: tasks as warren takes them, with confirms.

use std::{sync::Arc, time::Duration};

use event_driven::{
    connection::{self, ConnectionSettings},
    message::{JsonText, Start, TaskRequest},
    names::{Attempt, Priority},
    publisher::{ConnectionPublisher, Publication, PublisherSettings},
    topology::{self, TopologySettings},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use lapin::Connection;
use uuid::Uuid;

use crate::{Places, Result};

const SMALL: &str = r#"{"n":1,"text":"a task of some eighty bytes, as one of this kind has"}"#;

/// Most tasks that are published and not confirmed.
const IN_FLIGHT: usize = 512;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many
    count: usize,
    /// Of which component; several take turns
    #[arg(long, value_name = "NAME", default_value = "echo", value_delimiter = ',')]
    task: Vec<String>,
    /// The payload of each; without it, an object of some eighty bytes
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// The payload is an object with a text, of so many bytes
    #[arg(long, value_name = "BYTES", conflicts_with = "payload")]
    payload_bytes: Option<usize>,
    /// Without a message id: each delivery is then a task of its own
    #[arg(long)]
    without_ids: bool,
}

pub(crate) async fn execute(places: &Places, args: &Args) -> Result<()> {
    let connection = Arc::new(connect(&places.rabbitmq).await?);
    let publisher = ConnectionPublisher::new(connection.clone(), &PublisherSettings::default()).await?;
    let payload = payload(args)?;
    stream::iter(0..args.count)
        .map(|n| Ok::<_, Box<dyn std::error::Error + Send + Sync>>((n, publisher.clone(), payload.clone())))
        .try_for_each_concurrent(IN_FLIGHT, |(n, publisher, payload)| async move {
            let name = args.task.get(n % args.task.len()).map_or("echo", String::as_str);
            let request = request(name, payload, !args.without_ids)?;
            Ok(publisher.publish(Publication::of_task(&request)).await?)
        })
        .await
}

/// A connection to RabbitMQ, on which everything is declared.
pub(crate) async fn connect(url: &str) -> Result<Connection> {
    let settings = ConnectionSettings { address: url.parse()?, name: "bench".into(), timeout: Duration::from_secs(5) };
    let connection = connection::connect(&settings).await?;
    topology::apply(&connection, &topology::plan(&TopologySettings::default())).await?;
    Ok(connection)
}

/// An object of some eighty bytes.
pub(crate) fn small_payload() -> JsonText {
    SMALL.parse().expect("it is JSON")
}

fn payload(args: &Args) -> Result<JsonText> {
    let text = match (&args.payload, args.payload_bytes) {
        (Some(payload), _) => payload.clone(),
        (None, Some(bytes)) => {
            let frame = r#"{"text":""}"#;
            format!(
                r#"{{"text":"{}"}}"#,
                "a text of words ".repeat(bytes / 16 + 1).split_at(bytes.saturating_sub(frame.len())).0
            )
        }
        (None, None) => SMALL.to_owned(),
    };
    Ok(text.parse()?)
}

/// A task of this component.
pub(crate) fn request(name: &str, payload: JsonText, with_id: bool) -> Result<TaskRequest> {
    Ok(TaskRequest {
        routing_key: format!("routing.task.run.{name}"),
        task_name: name.parse()?,
        payload,
        producer_app: "bench".parse()?,
        correlation_id: Uuid::now_v7().to_string().parse()?,
        message_id: if with_id { Some(Uuid::now_v7().to_string().parse()?) } else { None },
        reply_to: None,
        attempt: Attempt::FIRST,
        start: Start::AtOnce,
        priority: Priority::Normal,
        unique_for: None,
        traceparent: None,
        tracestate: None,
    })
}
