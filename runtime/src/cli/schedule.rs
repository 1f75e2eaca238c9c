//! `warren schedule`: tasks that are asked for again and again.

mod keeper;

use std::{path::Path, process::ExitCode};

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::Value;

use self::keeper::Keeper;
use super::{output, payload, settings};
use crate::schedule::{DEFAULT_ZONE, Draft, Schedule};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a schedule: in DATABASE_URL, or over HTTP where that is not set
    #[command(after_help = ADD_HELP)]
    Add(Add),
    /// List the schedules, by name
    #[command(after_help = "Examples:\n  warren schedule list\n  warren schedule list --output json")]
    List(List),
    /// Show one schedule, with its payload
    #[command(after_help = "Examples:\n  warren schedule show nightly")]
    Show(Show),
    /// Remove a schedule; the tasks of ticks that have come stay
    #[command(after_help = "Examples:\n  warren schedule remove nightly")]
    Remove(Remove),
}

const ADD_HELP: &str = "\
CRON has five fields (minute hour day month weekday), or six with the second first, each a number, a range (1-5), a list (1,15),
a step (*/10, 0-30/5) or *; days and months may have their names (MON, JAN), the last day is L, the second Tuesday TUE#2. Each
tick is made once, however many runtimes there are, at a time that the database's clock tells. Where no runtime was there,
the latest tick that was missed comes late, those before it do not.

The same schedule may be added again; another one of its name is refused without --replace.

Examples:
  warren schedule add nightly --cron '0 3 * * *' --time-zone Europe/Berlin --task-name report
  warren schedule add pulse --cron '*/10 * * * * *' --task-name echo --payload '{\"a\":1}'
  warren schedule add nightly --cron '30 3 * * MON-FRI' --task-name report --replace";

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// What it is called: 1 to 64 of a-z A-Z 0-9 _ - .
    name: String,
    /// When its ticks are
    #[arg(long)]
    cron: String,
    /// Whose clock the cron line means: a name of the IANA database
    #[arg(long, value_name = "ZONE", default_value = DEFAULT_ZONE)]
    time_zone: String,
    /// The component that each tick asks for; it need not be there yet
    #[arg(long, value_name = "NAME")]
    task_name: String,
    /// What each tick's task is given: JSON, @FILE, or - for stdin
    #[arg(long, default_value = "null", allow_hyphen_values = true, value_name = "JSON|@FILE|-")]
    payload: String,
    /// Take the place of another schedule of this name
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    output: output::Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The schedule's name
    name: String,
    #[command(flatten)]
    output: output::Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    /// The schedule's name
    name: String,
}

pub(super) async fn execute(file: Option<&Path>, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(args) => add(file, args).await?,
        Command::List(args) => list(file, args).await?,
        Command::Show(args) => show(file, args).await?,
        Command::Remove(args) => remove(file, args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(file: Option<&Path>, args: &Add) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let payload = payload::read(&args.payload)?;
    let draft = Draft {
        name: &args.name,
        cron: &args.cron,
        time_zone: Some(&args.time_zone),
        task_name: &args.task_name,
        payload: payload.get(),
    };
    let schedule = Schedule::new(draft, config.broker.max_body)?;
    let keeper = Keeper::open(&config).await?;
    let kept = keeper.add(&schedule, args.replace).await?;
    let next = output::time(&output::text(&kept, "next_at"));
    output::print_text(&format!("schedule {} is kept; its next tick is at {next}", args.name))?;
    Ok(())
}

async fn list(file: Option<&Path>, args: &List) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let schedules = Keeper::open(&config).await?.all().await?;
    args.output.print(
        &["name", "cron", "zone", "task", "last", "next"],
        &schedules,
        |schedule| {
            vec![
                output::text(schedule, "name"),
                output::text(schedule, "cron"),
                output::text(schedule, "time_zone"),
                output::text(schedule, "task_name"),
                output::time(&output::text(schedule, "last_at")),
                output::time(&output::text(schedule, "next_at")),
            ]
        },
        Value::clone,
    )?;
    Ok(())
}

async fn show(file: Option<&Path>, args: &Show) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let schedule = Keeper::open(&config).await?.one(&args.name).await?;
    let schedule = schedule.with_context(|| unknown(&args.name))?;
    match args.output.output {
        output::Format::Json => output::print_json(&schedule)?,
        output::Format::Table => {
            for (name, _) in schedule.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
                output::print_text(&output::harmless(&format!("{name:<11} {}", output::text(&schedule, name))))?;
            }
        }
    }
    Ok(())
}

async fn remove(file: Option<&Path>, args: &Remove) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    if !Keeper::open(&config).await?.remove(&args.name).await? {
        bail!(unknown(&args.name));
    }
    output::print_text(&format!("schedule {} is removed", args.name))?;
    Ok(())
}

fn unknown(name: &str) -> String {
    format!("there is no schedule {name}")
}
