//! `warren task cancel`: ends tasks that wait or run.

use std::{path::Path, process::ExitCode, time::Duration};

use entity::TaskStatus;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    cli::{client::Client, output, reader::Reader, settings},
    lifecycle::{Cancelled, Database},
};

pub(super) const HELP: &str = "\
On DATABASE_URL, or over HTTP where that is not set. A task that waits is CANCELLED at once; one without a message id when its
message comes. One that runs is interrupted by its runtime, within a second. A task whose message was not delivered yet has no
row and so no id: it can't be cancelled.

Exits with 0 if all are CANCELLED, with 1 if one had come to another end, with 2 if one is unknown or not over in time.

Examples:
  warren task list --status running --name resize
  warren task cancel 019a3b7c-…";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The tasks' ids
    #[arg(required = true)]
    ids: Vec<Uuid>,
    /// How long to wait until a task that runs is over
    #[arg(long, default_value = "15s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Between two looks at a task that another process ends.
const LOOK: Duration = Duration::from_millis(100);

/// How a task stands after it was asked for.
enum End {
    Cancelled,
    /// Of itself.
    Other(String),
    /// It is noted, and not over.
    Noted,
    Unknown,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    // Where a task is read, it is cancelled.
    let reader = Reader::open(&config).await?;
    let mut worst = 0;
    for &id in &args.ids {
        let (text, code) = match cancel(&reader, id, args.timeout).await? {
            End::Cancelled => (format!("{id} is CANCELLED"), 0),
            End::Other(status) => (format!("{id} is {status}: it was over before"), 1),
            End::Noted => (format!("{id} is to be cancelled, and not over yet: `warren task show` tells"), 2),
            End::Unknown => (format!("no task has the id {id}"), 2),
        };
        output::print_text(&text)?;
        worst = worst.max(code);
    }
    Ok(ExitCode::from(worst))
}

async fn cancel(reader: &Reader, id: Uuid, patience: Duration) -> anyhow::Result<End> {
    match reader {
        Reader::Database(database, _) => in_database(database, id, patience).await,
        Reader::Http(client) => over_http(client, id, patience).await,
    }
}

async fn in_database(database: &Database, id: Uuid, patience: Duration) -> anyhow::Result<End> {
    let deadline = Instant::now() + patience;
    match database.cancel(id).await? {
        Cancelled::AtOnce => return Ok(End::Cancelled),
        Cancelled::Over(status) => return Ok(end(status.as_str())),
        Cancelled::Unknown => return Ok(End::Unknown),
        Cancelled::Noted => {}
    }
    loop {
        match database.states_of(&[id]).await?.remove(&id) {
            None => return Ok(End::Unknown),
            Some(known) if known.status.is_final() => return Ok(end(known.status.as_str())),
            Some(_) if Instant::now() >= deadline => return Ok(End::Noted),
            // A runtime writes the row: there is no event to wait for.
            Some(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

async fn over_http(client: &Client, id: Uuid, patience: Duration) -> anyhow::Result<End> {
    let Some(before) = client.get(&format!("/v1/tasks/{id}"), &[]).await? else { return Ok(End::Unknown) };
    if let Some(end) = end_of(&before) {
        return Ok(end);
    }
    let path = format!("/v1/tasks/{id}/cancel?wait={}ms", patience.as_millis());
    let after = client.post(&path, &Value::Null, patience).await?;
    Ok(end_of(&after).unwrap_or(End::Noted))
}

fn end_of(task: &Value) -> Option<End> {
    let status = output::text(task, "status");
    (!matches!(status.as_str(), "PENDING" | "RUNNING")).then(|| end(&status))
}

fn end(status: &str) -> End {
    match status {
        cancelled if cancelled == TaskStatus::Cancelled.as_str() => End::Cancelled,
        other => End::Other(other.to_owned()),
    }
}
