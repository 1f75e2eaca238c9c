//! `warren task list`: tasks, newest first, page by page or as they come.

use std::{path::Path, process::ExitCode, time::Duration};

use entity::TaskStatus;
use serde_json::Value;

use super::follow::follow;
use crate::{
    cli::{output, reader::Reader, settings},
    lifecycle::{Cursor, Moment, TaskFilter},
    outcome::ErrorClass,
};

pub(super) const HELP: &str = "\
All that is asked for has to hold at once. Times are those at which a task was first seen. A page ends with the cursor of the next
one; rows that come meanwhile shift nothing. A list for which too many rows would have to be looked through is given up after 5 s,
and says what to add.

With --follow the newest tasks are printed, the oldest of them first, then each one that comes, once, as it stands when it is first
seen, until Ctrl-C; JSON comes as one object a line. A task is found up to a minute after the time that it has; with --status or
--class up to an hour, since it may come to stand so long after. Where more than 20,000 come within that time, what is left out is
told on stderr.

Examples:
  warren task list
  warren task list --status failed --limit 10
  warren task list --class timeout --since 2h --name resize
  warren task list --since 2030-01-31T08:00:00Z --until 2030-01-31T09:00:00Z
  warren task list --status failed --follow --output json
  warren task list --name echo --output json";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Only tasks that stand there
    #[arg(long, value_parser = status)]
    status: Option<TaskStatus>,
    /// Only tasks for this component
    #[arg(long)]
    name: Option<String>,
    /// Only tasks of this producer
    #[arg(long)]
    producer: Option<String>,
    /// Only tasks with this correlation id
    #[arg(long)]
    correlation_id: Option<String>,
    /// Only tasks whose message has this id; with --producer the task is found by its key
    #[arg(long)]
    message_id: Option<String>,
    /// Only tasks whose last attempt failed with an error of this class, as timeout; also while they wait for the next one
    #[arg(long)]
    class: Option<ErrorClass>,
    /// Only tasks that were first seen then or later: a time as 2030-01-31T08:00:00Z, or how long ago, as 2h
    #[arg(long, value_name = "TIME|AGO")]
    since: Option<Moment>,
    /// Only tasks that were first seen before
    #[arg(long, value_name = "TIME|AGO")]
    until: Option<Moment>,
    /// Only tasks that are not over and to which nothing has happened for a while: their message may be lost
    #[arg(long)]
    stuck: bool,
    /// With --stuck: for how long
    #[arg(long, default_value = "10m", value_name = "DURATION", value_parser = humantime::parse_duration, requires = "stuck")]
    older_than: Duration,
    /// At most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    limit: u64,
    /// Go on where a page before has ended: the cursor that it told
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,
    /// Go on, and print what comes
    #[arg(long, short, conflicts_with_all = ["after", "until", "stuck"])]
    follow: bool,
    #[command(flatten)]
    output: output::Output,
}

/// A status as people write it.
pub(in crate::cli) fn status(text: &str) -> Result<TaskStatus, String> {
    let known = TaskStatus::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text));
    known.ok_or_else(|| format!("a status is one of {}", TaskStatus::ALL.map(TaskStatus::as_str).join(", ")))
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let filter = TaskFilter {
        status: args.status,
        task_name: args.name.clone(),
        producer_app: args.producer.clone(),
        correlation_id: args.correlation_id.clone(),
        message_id: args.message_id.clone(),
        class: args.class,
        since: args.since,
        until: args.until,
        stuck_for: args.stuck.then_some(args.older_than),
    };
    let reader = Reader::open(&config).await?;
    if args.follow {
        follow(&reader, &filter, args.limit, args.output.output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let after = args.after.map(|after| after.to_string());
    let page = reader.tasks(&filter, args.limit, after.as_deref()).await?;
    args.output.print(
        &["id", "status", "task", "attempt", "created", "took", "error"],
        &page.items,
        |task| {
            vec![
                output::text(task, "id_task"),
                output::styled(&output::text(task, "status")),
                output::text(task, "task_name"),
                output::text(task, "attempt"),
                output::time(&output::text(task, "created_at")),
                output::took(&output::text(task, "started_at"), &output::text(task, "finished_at")),
                output::shortened(&output::text(task, "error")),
            ]
        },
        Value::clone,
    )?;
    if let Some(next) = page.next {
        output::tell(&format!("there may be more: --after {next}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
