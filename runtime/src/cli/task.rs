//! `warren task`: ask for a task, run one here, list tasks, show one, read what its guests have written.

mod cancel;
mod follow;
mod list;
mod run;

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use event_driven::{message::UniqueFor, names::Priority};
use serde_json::Value;
use uuid::Uuid;

pub(super) use self::list::status;
use super::{again::Again, attempts, logs, output, payload, reader::Reader, sender, settings};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Ask for a task: on RABBITMQ_URL, or over HTTP where that is not set
    #[command(after_help = PUBLISH_HELP)]
    Publish(Publish),
    /// Run a component here and now, in the sandbox of the runtime, without broker and database
    #[command(after_help = run::HELP)]
    Run(run::Args),
    /// List tasks, newest first: from DATABASE_URL, or over HTTP where that is not set
    #[command(after_help = list::HELP)]
    List(list::Args),
    /// Show one task: what was asked for, its attempts with what they used and wrote, and what happens next
    #[command(after_help = "Examples:\n  warren task show 019a3b7c-…")]
    Show(Show),
    /// Show what the guests of a task wrote to stdout and stderr, attempt by attempt
    #[command(after_help = logs::HELP)]
    Logs(logs::Args),
    /// Cancel tasks, whether they wait or run, in whichever runtime
    #[command(after_help = cancel::HELP)]
    Cancel(cancel::Args),
    /// Publish the message of a task once more, made from its row: for one that has failed, or whose message is lost
    #[command(after_help = RETRY_HELP)]
    Retry(Retry),
}

const RETRY_HELP: &str = "\
On RABBITMQ_URL and DATABASE_URL, or over HTTP where one of them is not set. Tasks that are COMPLETED are refused, and those that
run in a runtime that is alive. One that has FAILED or was CANCELLED begins anew if it has a message id; without one it has one
more attempt. Where the old message turns up after all, a task with a message id is executed once all the same; one without may
be executed twice.

Examples:
  warren task list --stuck
  warren task retry 019a3b7c-…";

const PUBLISH_HELP: &str = "\
Exits with 0; with --wait: 0 if the task COMPLETED, 1 if it FAILED, 2 if it could not be asked for or is not over in time.

Examples:
  warren task publish echo --payload '{\"a\":1}' --wait
  warren task publish thumbnail --payload @picture.json --message-id order-17
  warren task publish remind --payload '{\"who\":\"Ada\"}' --delay 2h
  jq -c .order cart.json | warren task publish process_order --payload - --wait";

#[derive(Debug, clap::Args)]
pub(super) struct Publish {
    /// The component that is to run
    pub(super) name: String,
    /// What it is given: JSON, @FILE, or - for stdin
    #[arg(long, default_value = "null", allow_hyphen_values = true, value_name = "JSON|@FILE|-")]
    payload: String,
    /// Wait for the outcome and print it
    #[arg(long)]
    pub(super) wait: bool,
    /// How long to wait
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(super) timeout: Duration,
    /// Who asks. Default: service.name
    #[arg(long)]
    pub(super) producer: Option<String>,
    /// Ties the task to what else happens for the same cause. Default: a new UUID
    #[arg(long)]
    pub(super) correlation_id: Option<String>,
    /// The same id of the same producer is executed to completion once. Default: a new UUID
    #[arg(long)]
    pub(super) message_id: Option<String>,
    /// Default: routing.task.run.NAME
    #[arg(long)]
    pub(super) routing_key: Option<String>,
    /// Execute it after this time: 90s, 2h, up to 30d
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, conflicts_with = "run_at")]
    pub(super) delay: Option<Duration>,
    /// Execute it at this time, as 2030-01-31T08:00:00Z; up to 30 days ahead
    #[arg(long, value_name = "TIME")]
    pub(super) run_at: Option<DateTime<Utc>>,
    /// How much of a hurry it is in
    #[arg(long, default_value = "normal", value_name = "high|normal|low", conflicts_with = "routing_key")]
    pub(super) priority: Priority,
    /// For so long no other task of the same producer with the same name and payload is executed
    #[arg(long, value_name = "DURATION", value_parser = unique_for)]
    pub(super) unique_for: Option<UniqueFor>,
    #[command(flatten)]
    output: output::Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Retry {
    /// The tasks' ids
    #[arg(required = true)]
    ids: Vec<Uuid>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The task's id
    id: Uuid,
    #[command(flatten)]
    output: output::Output,
}

fn unique_for(text: &str) -> Result<UniqueFor, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    UniqueFor::new(time).map_err(|error| error.to_string())
}

pub(super) async fn execute(file: Option<&Path>, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Publish(args) => publish(file, args).await.or_else(|error| Ok(output::fail(&error, 2))),
        Command::Run(args) => run::execute(file, args).await.or_else(|error| Ok(output::fail(&error, 2))),
        Command::List(args) => list::execute(file, args).await,
        Command::Show(args) => show(file, args).await,
        Command::Logs(args) => logs::execute(file, args).await,
        Command::Cancel(args) => cancel::execute(file, args).await,
        Command::Retry(args) => retry(file, args).await,
    }
}

async fn publish(file: Option<&Path>, args: &Publish) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let payload = payload::read(&args.payload)?;
    let task = sender::publish_task(&config, args, payload).await?;
    match args.output.output {
        output::Format::Json => output::print_json(&task)?,
        output::Format::Table => print_one(&task)?,
    }
    match (args.wait, task.get("status").and_then(Value::as_str)) {
        (false, _) | (true, Some("COMPLETED")) => Ok(ExitCode::SUCCESS),
        (true, Some("FAILED" | "CANCELLED")) => Ok(ExitCode::from(1)),
        (true, _) => anyhow::bail!("the task is not over after {}", humantime::format_duration(args.timeout)),
    }
}

async fn show(file: Option<&Path>, args: &Show) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let task = Reader::open(&config).await?.task(args.id).await?;
    let task = task.with_context(|| format!("no task has the id {}", args.id))?;
    match args.output.output {
        output::Format::Json => output::print_json(&task)?,
        output::Format::Table => print_one(&task)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn retry(file: Option<&Path>, args: &Retry) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let again = Again::open(&config).await?;
    for &id in &args.ids {
        again.publish(id).await?;
        output::print_text(&format!("{id} was published again"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for each field that is set, and for each attempt.
fn print_one(task: &Value) -> anyhow::Result<()> {
    for (name, value) in task.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("attempts", Value::Array(attempts)) => attempts::print(attempts)?,
            ("next", next) => {
                let at = Some(output::time(&output::text(next, "at"))).filter(|at| !at.is_empty());
                let at = at.map_or_else(String::new, |at| format!(" ({at})"));
                output::print_text(&format!("{name:<17} {}{at}", output::text(next, "what")))?;
            }
            ("status", Value::String(status)) => output::print_text(&format!("{name:<17} {}", output::styled(status)))?,
            (_, Value::String(text)) => output::print_text(&output::harmless(&format!("{name:<17} {text}")))?,
            (_, other) => output::print_text(&format!("{name:<17} {other}"))?,
        }
    }
    Ok(())
}
