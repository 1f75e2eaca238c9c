//! `warren task list --follow`: tasks as they come.
//!
//! A row has the time at which its task was first seen and is committed later: when the task has run, or after an outage. So what
//! lies a while back is read again in each round, and what was told is remembered. Both are bounded, and what does not fit is
//! said. Pages are those of any list, newest first, so that it is the same over HTTP.

use std::{
    collections::{HashMap, HashSet},
    io::{ErrorKind, Write},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    cli::{
        output::{self, Format},
        reader::Reader,
    },
    lifecycle::{Moment, TaskFilter},
};

/// How far back a round goes. A task that runs has a row soon; one that waits for a place is first seen some time before that.
const OVERLAP: TimeDelta = TimeDelta::minutes(1);

/// The same where a task is looked for that stands in some way: it may have run for half an hour, and have been tried again.
const STATE_OVERLAP: TimeDelta = TimeDelta::hours(1);

/// Rows of a page.
const PAGE: u64 = 1_000;

/// Pages of a round, and so the most that is remembered.
const PAGES: usize = 20;

/// The shortest pause between two rounds.
const PAUSE: Duration = Duration::from_secs(1);

/// A pause is so many times as long as its round took, so that looking takes a small part of the database's time.
const REST: u32 = 4;

/// What was told, and from when on it is looked for more.
struct Follower<'r> {
    reader: &'r Reader,
    filter: TaskFilter,
    overlap: TimeDelta,
    /// Nothing from before is looked at any more.
    floor: Option<DateTime<Utc>>,
    /// What was told since then.
    told: HashMap<String, DateTime<Utc>>,
}

/// What a round found.
struct Round {
    /// Oldest first.
    new: Vec<Value>,
    /// Whether there were more than it could read.
    is_cut_short: bool,
}

/// Prints the newest tasks, then what comes, until stdout is closed.
pub(super) async fn follow(reader: &Reader, filter: &TaskFilter, limit: u64, format: Format) -> anyhow::Result<()> {
    let overlap = match (filter.status, filter.class) {
        (None, None) => OVERLAP,
        (Some(_), _) | (None, Some(_)) => STATE_OVERLAP,
    };
    let mut follower = Follower { reader, filter: filter.clone(), overlap, floor: None, told: HashMap::new() };
    let mut is_open = print(&follower.begin(limit).await?, format)?;
    let (mut is_away, mut pause) = (false, PAUSE);
    while is_open {
        sleep(pause).await;
        let began = Instant::now();
        match follower.round().await {
            Ok(Round { new, is_cut_short }) => {
                is_away = false;
                is_open = print(&new, format)?;
                if is_cut_short {
                    output::print_warning(
                        "more tasks come than are told here: some are left out; ask for fewer, as by --name",
                    )?;
                }
            }
            // It goes on by itself; said once.
            Err(error) if !is_away => {
                is_away = true;
                output::print_warning(&format!("nothing can be read at the moment: {error:#}"))?;
            }
            Err(_) => {}
        }
        pause = PAUSE.max(began.elapsed() * REST);
    }
    Ok(())
}

impl Follower<'_> {
    /// The newest tasks, oldest first. What is older than they are is known from now on, and never told.
    async fn begin(&mut self, limit: u64) -> anyhow::Result<Vec<Value>> {
        let mut tasks = self.reader.tasks(&self.filter, limit, None).await?.items;
        tasks.reverse();
        let (oldest, newest) = (tasks.first().and_then(created_at), tasks.last().and_then(created_at));
        self.floor = newest.map(|newest| newest - self.overlap);
        // What has come in between is told as well.
        let known: HashSet<String> = tasks.iter().map(|task| output::text(task, "id_task")).collect();
        let since = self.round().await?.new.into_iter().filter(|task| created_at(task) >= oldest);
        tasks.extend(since.filter(|task| !known.contains(&output::text(task, "id_task"))));
        Ok(tasks)
    }

    async fn round(&mut self) -> anyhow::Result<Round> {
        let since = self.filter.since.into_iter().chain(self.floor.map(Moment::At));
        let now = Utc::now();
        let filter = TaskFilter { since: since.max_by_key(|since| since.resolve(now)), ..self.filter.clone() };
        let (mut new, mut after, mut newest, mut oldest) = (Vec::new(), None, None, None);
        let mut is_last_new = false;
        for _ in 0..PAGES {
            let page = self.reader.tasks(&filter, PAGE, after.as_deref()).await?;
            for task in page.items {
                let Some(at) = created_at(&task) else { continue };
                newest = newest.max(Some(at));
                oldest = Some(at);
                let id = output::text(&task, "id_task");
                is_last_new = !self.told.contains_key(&id);
                if is_last_new {
                    new.push((id, at, task));
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        // What lies behind the last page is out of reach from now on.
        let reached = if after.is_some() { oldest } else { None };
        let back = newest.map(|newest| newest - self.overlap);
        self.floor = [self.floor, reached, back].into_iter().flatten().max();
        // Only now: what was read before an error comes again.
        let new = new.into_iter().rev().map(|(id, at, task)| {
            self.told.insert(id, at);
            task
        });
        let new = new.collect();
        if let Some(floor) = self.floor {
            self.told.retain(|_, at| *at >= floor);
        }
        Ok(Round { new, is_cut_short: after.is_some() && is_last_new })
    }
}

fn created_at(task: &Value) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(task.get("created_at")?.as_str()?);
    at.ok().map(|at| at.to_utc())
}

/// Prints each; false: nobody reads any more.
fn print(tasks: &[Value], format: Format) -> std::io::Result<bool> {
    let mut stdout = anstream::stdout().lock();
    for task in tasks {
        let line = match format {
            Format::Json => task.to_string(),
            Format::Table => line(task),
        };
        match writeln!(stdout, "{line}") {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
            written => written?,
        }
    }
    match stdout.flush() {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        flushed => flushed.map(|()| true),
    }
}

fn line(task: &Value) -> String {
    let status = output::text(task, "status");
    let words = [
        output::time(&output::text(task, "created_at")),
        output::text(task, "id_task"),
        format!("{}{:pad$}", output::styled(&status), "", pad = 9_usize.saturating_sub(status.len())),
        output::text(task, "task_name"),
        output::took(&output::text(task, "started_at"), &output::text(task, "finished_at")),
        output::shortened(&output::text(task, "error")),
    ];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("  ")
}
