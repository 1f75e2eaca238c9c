//! `warren event`: publish an event, list those that were stored.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;
use serde_json::Value;

use super::{output, payload, reader::Reader, sender, settings};
use crate::lifecycle::{EventFilter, RoutingKeyFilter};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Publish an event: on RABBITMQ_URL, or over HTTP where that is not set
    #[command(after_help = "Examples:\n  warren event publish routing.event.create.user --payload '{\"user_id\":1}'")]
    Publish(Publish),
    /// List the events that were stored, newest first: from DATABASE_URL, or over HTTP where that is not set
    #[command(
        after_help = "Examples:\n  warren event list\n  warren event list --key routing.event.create.user --output json"
    )]
    List(List),
}

#[derive(Debug, clap::Args)]
pub(super) struct Publish {
    /// The routing key: routing.event.<create|update|delete|read|notify>.<entity>
    pub(super) key: String,
    /// The event: a JSON object, @FILE, or - for stdin
    #[arg(long, default_value = "{}", value_name = "JSON|@FILE|-")]
    payload: String,
    /// Who publishes. Default: service.name
    #[arg(long)]
    pub(super) producer: Option<String>,
    /// Ties the event to what else happens for the same cause. Default: a new UUID
    #[arg(long)]
    pub(super) correlation_id: Option<String>,
    /// Default: a new UUID
    #[arg(long)]
    pub(super) message_id: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only events with this routing key
    #[arg(long)]
    key: Option<String>,
    /// Only events of this producer
    #[arg(long)]
    producer: Option<String>,
    /// Only events with this correlation id
    #[arg(long)]
    correlation_id: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    limit: u64,
    #[command(flatten)]
    output: output::Output,
}

pub(super) async fn execute(file: Option<&Path>, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Publish(args) => publish(file, args).await,
        Command::List(args) => list(file, args).await,
    }
}

async fn publish(file: Option<&Path>, args: &Publish) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let id = sender::publish_event(&config, args, payload::read(&args.payload)?).await?;
    output::print_text(&format!("published {} as {id}", args.key))?;
    Ok(ExitCode::SUCCESS)
}

async fn list(file: Option<&Path>, args: &List) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let filter = EventFilter {
        routing_key: args.key.clone().map(RoutingKeyFilter::Exact),
        producer_app: args.producer.clone(),
        correlation_id: args.correlation_id.clone(),
    };
    let events = Reader::open(&config).await?.events(&filter, args.limit).await?;
    args.output.print(
        &["id", "created", "key", "producer", "correlation id"],
        &events,
        |event| {
            let text = |field: &str| event.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            vec![
                text("id_event_store"),
                output::time(&text("created_at")),
                text("routing_key"),
                text("producer_app"),
                text("correlation_id"),
            ]
        },
        Value::clone,
    )?;
    Ok(ExitCode::SUCCESS)
}
