//! `warren bench`: how fast is it here? On queues and tables that are made for it and go with it.

mod bars;
mod table;

use std::{num::NonZeroU32, path::Path, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::ValueEnum;
use event_driven::{message::JsonText, names::TaskName};
use serde_json::json;

use self::bars::Bars;
use super::{output, payload, settings, signals::Signals};
use crate::{
    bench::{DEFAULT_VHOST, Grounds, Launch, Plan, Report, Stage, Workload, run},
    config::Config,
};

/// What a task is given where nothing is said: 80 bytes.
const PAYLOAD: &str = r#"{"order":4711,"text":"a payload of eighty bytes, which is what many tasks have"}"#;

/// The most messages of one rate: what is kept of each has to fit into memory.
const MOST: u64 = 5_000_000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Measures a runtime of this binary with your settings, as a process of its own, on RABBITMQ_URL's server and in DATABASE_URL's
database. It touches no queue and no table of yours: its queues are in a virtual host of their own, its tables in a schema of
their own (SQLite: a file in a new folder), and both are removed at the end. RabbitMQ's virtual host has to be there:

  rabbitmqctl add_vhost warren-bench
  rabbitmqctl set_permissions --vhost warren-bench guest '.*' '.*' '.*'

Without RABBITMQ_URL, or with --dev, it measures `warren dev`, which needs no server. What each figure means is in docs/bench.md.

Examples:
  warren bench
  warren bench --only burn-down --tasks 100000 --task resize --payload @job.json
  warren bench --only latency --rates 50,500 --seconds 60
  warren bench --output json > before.json")]
pub(super) struct Args {
    /// Measure `warren dev`: broker in process, SQLite
    #[arg(long, conflicts_with = "vhost")]
    dev: bool,
    #[arg(long, value_name = "NAME", help = format!("The virtual host to measure in, without queues of a warren [default: {DEFAULT_VHOST}]"))]
    vhost: Option<String>,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    only: Vec<What>,
    /// The component to measure with
    #[arg(long, default_value = "echo", value_name = "NAME")]
    task: TaskName,
    /// What each task is given: JSON, @FILE, or - for stdin [default: 80 bytes]
    #[arg(long, value_name = "JSON", conflicts_with = "payload_bytes")]
    payload: Option<String>,
    /// Give each task an object of so many bytes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(11..=16_000_000))]
    payload_bytes: Option<u32>,
    /// Messages without an id: no look-up, and no protection from being executed twice
    #[arg(long)]
    without_ids: bool,
    /// How many tasks, and how many events, wait in their queue
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    tasks: u64,
    /// Tasks a second, for the latency of single ones
    #[arg(long, default_value = "1,100,1000,10000", value_delimiter = ',', value_name = "LIST")]
    rates: Vec<NonZeroU32>,
    /// How long each rate is measured, in seconds, after one to warm up
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    #[command(flatten)]
    output: output::Output,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Tasks that wait in their queue when the runtime starts
    BurnDown,
    /// How long single tasks take at fixed rates
    Latency,
    /// Events that wait in their queue when the runtime starts
    Events,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let plan = plan(&config, args)?;
    let stage = stage(&config, args)?;
    let binary =
        std::env::current_exe().context("this binary is not known, and so can't be started for the measurement")?;
    let mut grounds = Grounds::new(config, &stage, Launch { binary, settings: file.map(Path::to_owned) })?;
    let mut signals = Signals::listen()?;
    // Dropped, a measurement takes its runtime with it.
    let measured = tokio::select! {
        measured = measure(&mut grounds, &plan) => Some(measured),
        signal = signals.next() => {
            output::tell(&format!("{signal}: removing what was made (once more to leave it behind)"))?;
            None
        }
    };
    let left = tokio::select! {
        left = grounds.leave() => left,
        signal = signals.next() => anyhow::bail!("{signal}: what was made is left behind; the next measurement removes it"),
    };
    let Some(measured) = measured else { return Ok(left.map(|()| ExitCode::FAILURE)?) };
    if let (Err(_), Err(left)) = (&measured, &left) {
        // What went wrong first is the error.
        output::print_warning(&left.to_string())?;
    }
    let report = measured?;
    left?;
    match args.output.output {
        output::Format::Json => output::print_json(&json!(report))?,
        output::Format::Table => table::print(&report)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Where to measure; says so if that was not asked for.
fn stage(config: &Config, args: &Args) -> anyhow::Result<Stage> {
    if args.dev {
        return Ok(Stage::Dev);
    }
    if !config.broker.url.is_empty() {
        return Ok(Stage::Servers { vhost: args.vhost.clone() });
    }
    anyhow::ensure!(args.vhost.is_none(), "--vhost names a virtual host of RabbitMQ, and RABBITMQ_URL is not set");
    output::tell("RABBITMQ_URL is not set: measuring `warren dev`, with the broker in the process and SQLite")?;
    Ok(Stage::Dev)
}

async fn measure(grounds: &mut Grounds, plan: &Plan) -> anyhow::Result<Report> {
    grounds.enter().await?;
    Ok(run(grounds, plan, &Bars::default()).await?)
}

fn plan(config: &Config, args: &Args) -> anyhow::Result<Plan> {
    let is_asked = |what| args.only.is_empty() || args.only.contains(&what);
    let most = args.rates.iter().map(|rate| u64::from(rate.get()) * args.seconds).max().unwrap_or_default();
    anyhow::ensure!(most <= MOST, "--rates and --seconds come to {most} tasks at one rate; {MOST} is the most");
    let text = match (&args.payload, args.payload_bytes) {
        (Some(payload), _) => payload::read(payload)?.get().to_owned(),
        (None, Some(bytes)) => object_of(usize::try_from(bytes)?),
        (None, None) => PAYLOAD.to_owned(),
    };
    let workload = Workload {
        task_name: args.task.clone(),
        payload: JsonText::new(&text).context("--payload")?,
        with_ids: !args.without_ids,
        // Where these are set, no other key leads anywhere.
        routing_key: config.topology.task_keys.first().cloned(),
    };
    Ok(Plan {
        workload,
        tasks: is_asked(What::BurnDown).then_some(args.tasks),
        events: is_asked(What::Events).then_some(args.tasks),
        rates: if is_asked(What::Latency) { args.rates.clone() } else { Vec::new() },
        measured: Duration::from_secs(args.seconds),
    })
}

/// A JSON object of that many bytes.
fn object_of(bytes: usize) -> String {
    let (start, end) = (r#"{"text":""#, r#""}"#);
    format!("{start}{}{end}", "x".repeat(bytes.saturating_sub(start.len() + end.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_as_long_as_is_said() {
        assert_eq!(PAYLOAD.len(), 80);
        for bytes in [11, 12, 1_000] {
            assert_eq!(object_of(bytes).len(), bytes);
            assert!(JsonText::new(&object_of(bytes)).unwrap().is_object());
        }
    }
}
