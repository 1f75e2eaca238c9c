//! `warren dead`: the dead letters of tasks and events.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::Subcommand;
use event_driven::{
    connection::ConnectionSettings,
    names::{DEAD_EVENT_STORE_QUEUE, DEAD_TASKS_QUEUE},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{confirm::confirm, output, settings};
use crate::dead_letters::{Action, DeadLetters, Filter, Walked};

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
On RABBITMQ_URL. Reads dead.tasks and dead.event.store, or the queues that are named: dead.task.A.E, dead.event.T.E.to.S. While it
reads, the letters are held, so that of two who read at once each sees a part; afterwards they are back in their places.

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
    #[arg(value_parser = letter_id)]
    id: String,
    /// The queue that it is in. Without it, dead.tasks and dead.event.store are looked through
    #[arg(long = "queue", value_name = "NAME")]
    queues: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Change {
    /// The letters' ids, or the first six digits of each or more. Without any, all that the options leave
    #[arg(value_parser = letter_id)]
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

/// An empty one, as of a variable that is not set, would name all.
fn letter_id(text: &str) -> Result<String, String> {
    match (6..=12).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        true => Ok(text.to_owned()),
        false => {
            Err("an id has 12 digits of 0-9 and a-f, as `warren dead list` prints it; at least 6 of them".to_owned())
        }
    }
}

/// Those that are named, else warren's own.
fn queues(named: &[String]) -> Vec<&str> {
    match named {
        [] => vec![DEAD_TASKS_QUEUE, DEAD_EVENT_STORE_QUEUE],
        named => named.iter().map(String::as_str).collect(),
    }
}

pub(super) async fn execute(file: Option<&Path>, command: &Command) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    if config.broker.url.is_empty() {
        bail!("broker.url is not set: RABBITMQ_URL says where the dead letters are");
    }
    let settings = ConnectionSettings {
        address: config.broker.url.parse()?,
        name: format!("{} dead", config.service.name),
        timeout: config.broker.connect_timeout,
    };
    let dead_letters = DeadLetters::open(&settings).await?;
    match command {
        Command::List(args) => list(&dead_letters, args).await,
        Command::Show(args) => show(&dead_letters, args).await,
        Command::Retry(args) => change(&dead_letters, args, Action::Retry).await,
        Command::Discard(args) => change(&dead_letters, args, Action::Discard).await,
    }
}

async fn list(dead_letters: &DeadLetters, args: &List) -> anyhow::Result<ExitCode> {
    let filter = args.selection.filter(&[]);
    let mut letters = Vec::new();
    for queue in queues(&args.selection.queues) {
        let left = args.limit.saturating_sub(letters.len());
        letters.extend(walk(dead_letters, queue, &filter, left, Action::Look).await?.letters);
    }
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

async fn show(dead_letters: &DeadLetters, args: &Show) -> anyhow::Result<ExitCode> {
    let filter = Filter { ids: vec![args.id.clone()], ..Filter::default() };
    for queue in queues(&args.queues) {
        let Walked { letters, last, .. } = walk(dead_letters, queue, &filter, 1, Action::Look).await?;
        if let (Some(letter), Some(whole)) = (letters.first(), last) {
            let mut shown = json!(letter);
            if let (Some(shown), Some(whole)) = (shown.as_object_mut(), whole.as_object()) {
                shown.extend(whole.clone());
            }
            output::print_json(&shown)?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    bail!("no dead letter in {} has the id {}", queues(&args.queues).join(", "), args.id)
}

async fn change(dead_letters: &DeadLetters, args: &Change, action: Action) -> anyhow::Result<ExitCode> {
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
    let (mut count, mut left, mut stayed) = (0, args.limit.unwrap_or(usize::MAX), 0);
    for queue in queues(&args.selection.queues) {
        let walked = walk(dead_letters, queue, &filter, left, action).await?;
        count += walked.letters.len();
        left = left.saturating_sub(walked.letters.len());
        stayed += walked.stayed.len();
        for (letter, reason) in &walked.stayed {
            output::print_warning(&format!("{} stays in {queue}: {reason}", letter.id))?;
        }
        if walked.foreign > 0 {
            let text = "that nothing tells the origin of stay where they are";
            output::print_warning(&format!("{queue}: {} messages {text}", walked.foreign))?;
        }
    }
    output::print_text(&format!("{count} dead letters were {done}"))?;
    Ok(if stayed == 0 && (count > 0 || args.ids.is_empty()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn walk(
    dead_letters: &DeadLetters,
    queue: &str,
    filter: &Filter,
    limit: usize,
    action: Action,
) -> anyhow::Result<Walked> {
    if limit == 0 {
        return Ok(Walked::default());
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:40} {pos} of {len}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_prefix(queue.to_owned());
    let progress = |seen, count| {
        bar.set_length(count);
        bar.set_position(seen);
    };
    let walked = dead_letters.walk(queue, filter, limit, action, progress).await;
    bar.finish_and_clear();
    walked.context("the dead letters can't be read")
}
