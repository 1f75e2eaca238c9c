//! `warren prune`: deletes tasks and events that are over and old.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::bail;
use entity::TaskStatus;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{confirm::confirm, migrate, output, settings, task};
use crate::lifecycle::{Database, LEAST_AGE, Old};

const HELP: &str = "\
On DATABASE_URL. Tasks go that are COMPLETED, FAILED or CANCELLED and have been so for longer than that, with their attempts; what is
PENDING or RUNNING is never deleted, nor what waits for its time. CANCELLED ones stay for seven days in any case: their messages may
wait in a queue. The oldest go first, a thousand at a time, each time in a transaction of its own and with a pause, so that the
service is not held up; it may be stopped at any moment, and run more than once at a time.

What is deleted is not known any more: a message of a COMPLETED task with a message id that comes once more, because its publisher
sends it again or `warren dead retry` does, is executed again. Keep tasks for longer than that may happen. To delete all the time, set
WARREN_RETENTION_TASKS and WARREN_RETENTION_EVENTS, and the runtimes do it.

Examples:
  warren prune --older-than 30d --dry-run
  warren prune --older-than 30d
  warren prune --older-than 7d --status completed --yes    # in a script
  warren prune --older-than 90d --events --yes";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Only what is over for longer than this: 30d, at least 1h
    #[arg(long, value_name = "DURATION", value_parser = age)]
    older_than: Duration,
    /// Only tasks that stand so: completed, failed or cancelled. May be given more than once
    #[arg(long, value_parser = over)]
    status: Vec<TaskStatus>,
    /// Delete stored events as well that are older than this
    #[arg(long)]
    events: bool,
    /// Only count what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    output: output::Output,
}

/// What is younger may be delivered again.
fn age(text: &str) -> Result<Duration, String> {
    let age = humantime::parse_duration(text).map_err(|error| format!("takes a duration like 30d: {error}"))?;
    match age >= LEAST_AGE {
        true => Ok(age),
        false => Err(format!(
            "takes at least {}: RabbitMQ may deliver the message of a younger task again, and its row is what says that it was done",
            humantime::format_duration(LEAST_AGE)
        )),
    }
}

fn over(text: &str) -> Result<TaskStatus, String> {
    match task::status(text)? {
        status if status.is_final() => Ok(status),
        status => {
            Err(format!("what is {status} is not over, and is never deleted; it takes completed, failed or cancelled"))
        }
    }
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let database = migrate::connect(&config).await?;
    let mut counts = Vec::new();
    for old in olds(args) {
        counts.push((old, database.count_old(old, args.older_than).await?));
    }
    let told = told(&counts);
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let older = humantime::format_duration(args.older_than);
    if args.dry_run {
        print(args, &counts, &format!("{told} older than {older} would be deleted"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if all == 0 {
        print(args, &counts, &format!("nothing is older than {older}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let what = format!("{told} older than {older} from {}, for good", database.url());
    if !args.yes && !confirm("delete", &what)? {
        bail!("nothing was deleted");
    }
    let began = Instant::now();
    let deleted = delete(&database, args, &counts, all).await?;
    database.close().await;
    let took = humantime::format_duration(Duration::from_secs(began.elapsed().as_secs()));
    print(args, &deleted, &format!("{} were deleted within {took}", self::told(&deleted)))?;
    Ok(ExitCode::SUCCESS)
}

/// What is meant, each once.
fn olds(args: &Args) -> Vec<Old> {
    let named: Vec<Old> = args.status.iter().filter_map(|status| Old::of_status(*status)).collect();
    let tasks = Old::TASKS.into_iter().filter(|old| named.is_empty() || named.contains(old));
    tasks.chain(args.events.then_some(Old::Events)).collect()
}

async fn delete(database: &Database, args: &Args, counts: &[(Old, u64)], all: u64) -> anyhow::Result<Vec<(Old, u64)>> {
    let bar = ProgressBar::new(all);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len}, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    let mut deleted = Vec::new();
    for &(old, _) in counts {
        let told = |batch| {
            bar.inc(batch);
            ControlFlow::Continue(())
        };
        deleted.push((old, database.prune(old, args.older_than, told).await?));
    }
    bar.finish_and_clear();
    Ok(deleted)
}

fn name(old: Old) -> &'static str {
    match old {
        Old::Completed => "completed",
        Old::Failed => "failed",
        Old::Cancelled => "cancelled",
        Old::Events => "events",
    }
}

/// How many there are, in words.
fn told(counts: &[(Old, u64)]) -> String {
    let words = counts.iter().map(|&(old, count)| match old {
        Old::Completed | Old::Failed | Old::Cancelled => format!("{count} {} tasks", name(old).to_uppercase()),
        Old::Events => format!("{count} events"),
    });
    let words: Vec<_> = words.collect();
    match words.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        Some((last, _)) => last.clone(),
        None => "nothing".to_owned(),
    }
}

/// The sentence for people, or how many of each for programs.
fn print(args: &Args, counts: &[(Old, u64)], sentence: &str) -> std::io::Result<()> {
    match args.output.output {
        output::Format::Table => output::print_text(sentence),
        output::Format::Json => {
            let counts: BTreeMap<_, _> = counts.iter().map(|&(old, count)| (name(old), count)).collect();
            output::print_json(&json!({ "dry_run": args.dry_run, "rows": counts }))
        }
    }
}
