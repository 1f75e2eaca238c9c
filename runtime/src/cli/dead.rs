//! `warren dead`: the dead letters of tasks and events.

mod source;

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use self::source::Source;
use super::{confirm::confirm, output, settings};
use crate::dead_letters::{Action, Filter, OWN_QUEUES, check_id};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List dead letters, the oldest first
    #[command(after_help = LIST_HELP)]
    List(List),
    /// Show one: its headers, its body, why it died
    #[command(after_help = "Examples:\n  warren dead show 3f9a1c0b77de")]
    Show(Show),
    /// Have dead letters tried again, as if they had just been published
    #[command(after_help = RETRY_HELP)]
    Retry(Change),
    /// Throw dead letters away
    #[command(after_help = DISCARD_HELP)]
    Discard(Change),
}

const LIST_HELP: &str = "\
On RABBITMQ_URL, or over HTTP where that is not set. Reads dead.tasks and dead.event.store, or the queues that are named:
dead.task.A.E, dead.event.T.E.to.S. While it reads, the letters are held, so that of two who read at once each sees a part;
afterwards they are back in their places.

Examples:
  warren dead list
  warren dead list --reason timeout --component resize --older-than 1h
  warren dead list --queue dead.event.create.user.to.billing --output json";

const RETRY_HELP: &str = "\
Each goes into the queue that it came from, and to no other; its attempts count from the first again. A task with a message id that
is COMPLETED meanwhile is not executed again. What nothing tells the origin of stays, and so does what can't be published.

Examples:
  warren dead retry --reason no_such_component --component resize
  warren dead retry 3f9a1c0b77de";

const DISCARD_HELP: &str = "\
They are gone for good; the rows of tasks stay. What nothing tells the origin of stays.

Examples:
  warren dead discard --reason malformed --older-than 7d
  warren dead discard 3f9a1c0b77de --yes";

/// Which dead letters are meant.
#[derive(Debug, clap::Args)]
struct Selection {
    /// Only those in this queue. May be given more than once
    #[arg(long = "queue", value_name = "NAME")]
    queues: Vec<String>,
    /// Only those that died of this: an error class (timeout, trap, malformed …), or RabbitMQ's expired, maxlen, rejected,
    /// delivery_limit
    #[arg(long, value_name = "CLASS")]
    reason: Option<String>,
    /// Only tasks for this component
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// Only those that died longer ago
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    selection: Selection,
    /// At most this many
    #[arg(long, default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    output: output::Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Its id, or the first six digits of it or more
    #[arg(value_parser = check_id)]
    id: String,
    /// The queue that it is in. Without it, dead.tasks and dead.event.store are looked through
    #[arg(long = "queue", value_name = "NAME")]
    queues: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Change {
    /// The letters' ids, or the first six digits of each or more. Without any, all that the options leave
    #[arg(value_parser = check_id)]
    ids: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// At most this many
    #[arg(long)]
    limit: Option<usize>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Selection {
    fn filter(&self, ids: &[String]) -> Filter {
        Filter {
            ids: ids.to_vec(),
            class: self.reason.clone(),
            task_name: self.component.clone(),
            older_than: self.older_than,
        }
    }

    /// In words, for a question.
    fn told(&self, ids: &[String]) -> String {
        let mut told = match ids {
            [] => "all dead letters".to_owned(),
            ids => format!("dead letters {}", ids.join(", ")),
        };
        let parts = [
            self.reason.as_ref().map(|reason| format!(" that died of {reason}")),
            self.component.as_ref().map(|name| format!(" of component {name}")),
            self.older_than.map(|time| format!(" older than {}", humantime::format_duration(time))),
        ];
        told.extend(parts.into_iter().flatten());
        told + " in " + &queues(&self.queues).join(", ")
    }
}

/// Those that are named, else warren's own.
fn queues(named: &[String]) -> Vec<String> {
    match named {
        [] => OWN_QUEUES.map(str::to_owned).to_vec(),
        named => named.to_vec(),
    }
}

pub(super) async fn execute(file: Option<&Path>, command: &Command) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let source = Source::open(&config).await?;
    match command {
        Command::List(args) => list(&source, args).await,
        Command::Show(args) => show(&source, args).await,
        Command::Retry(args) => change(&source, args, Action::Retry).await,
        Command::Discard(args) => change(&source, args, Action::Discard).await,
    }
}

async fn list(source: &Source, args: &List) -> anyhow::Result<ExitCode> {
    let letters = source.list(&queues(&args.selection.queues), &args.selection.filter(&[]), args.limit).await?;
    args.output.print(
        &["id", "queue", "died", "task", "producer", "reason"],
        &letters,
        |letter| {
            let name = letter.task_name.as_ref().or(letter.routing_key.as_ref());
            vec![
                letter.id.clone(),
                letter.queue.clone(),
                letter.died_at.map(|at| output::time(&at.to_rfc3339())).unwrap_or_default(),
                output::harmless(&name.cloned().unwrap_or_default()),
                output::harmless(letter.producer_app.as_deref().unwrap_or_default()),
                if letter.is_foreign() {
                    "foreign".into()
                } else {
                    output::shortened(&output::harmless(&letter.reason))
                },
            ]
        },
        |letter| json!(letter),
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn show(source: &Source, args: &Show) -> anyhow::Result<ExitCode> {
    let queues = queues(&args.queues);
    match source.show(&queues, &args.id).await? {
        Some(letter) => output::print_json(&letter)?,
        None => bail!("no dead letter in {} has the id {}", queues.join(", "), args.id),
    }
    Ok(ExitCode::SUCCESS)
}

async fn change(source: &Source, args: &Change, action: Action) -> anyhow::Result<ExitCode> {
    let (told, verb, done) = match action {
        Action::Discard => (args.selection.told(&args.ids), "throw away", "thrown away"),
        Action::Retry | Action::Look => (args.selection.told(&args.ids), "try again", "tried again"),
    };
    // Trying named ones again does no harm; the rest is asked for.
    let is_harmless = action == Action::Retry && !args.ids.is_empty();
    if !args.yes && !is_harmless && !confirm(verb, &told)? {
        bail!("nothing was done");
    }
    let filter = args.selection.filter(&args.ids);
    let changed = source.change(&queues(&args.selection.queues), &filter, args.limit, action).await?;
    for stayed in &changed.stayed {
        let told = format!("{} stays in {}: {}", stayed.id, stayed.queue, stayed.reason);
        output::print_warning(&output::harmless(&told))?;
    }
    if changed.stayed_count > changed.stayed.len() {
        output::print_warning(&format!("{} stay in all", changed.stayed_count))?;
    }
    if changed.foreign > 0 {
        let text = "messages that nothing tells the origin of stay where they are";
        output::print_warning(&format!("{} {text}", changed.foreign))?;
    }
    if changed.not_looked_at > 0 && args.limit.is_none() {
        output::print_warning(&format!("{} were not looked at in this time: once more", changed.not_looked_at))?;
    }
    output::print_text(&format!("{} dead letters were {done}", changed.done))?;
    let is_all = changed.stayed_count == 0 && (changed.done > 0 || args.ids.is_empty());
    Ok(if is_all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
