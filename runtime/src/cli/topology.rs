//! `warren topology`: what is declared on RabbitMQ, how what exists compares with it, and to declare it.

mod findings;

use std::{collections::BTreeMap, path::Path, process::ExitCode, str::FromStr};

use anyhow::{Context, bail};
use clap::Subcommand;
use event_driven::{
    connection::{ConnectionSettings, connect, lost},
    lapin::Connection,
    names::{QueueName, Subscription, TaskRoute},
    topology::{
        Argument, Declaration, Finding, State, TopologyError, TopologySettings, apply, check, exchanges, plan, route,
        subscription,
    },
};
use serde_json::{Map, Value, json};

use self::findings::Told;
use super::{output, settings};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what is declared; needs no connection
    #[command(
        after_help = "Examples:\n  warren topology show\n  warren topology show --queue event.create.user.to.billing"
    )]
    Show(Args),
    /// Compare it with what exists, and change nothing
    #[command(after_help = "\
Exits with 0 if everything can be used as it stands, with 1 if something is missing or can't be used.

Examples:
  RABBITMQ_URL=amqp://… warren topology check
  warren topology check --queue task.process.order --output json")]
    Check(Args),
    /// Declare it; what exists already is left as it is
    #[command(after_help = "\
Examples:
  RABBITMQ_URL=amqp://… warren topology apply
  warren topology apply --queue event.create.user.to.billing --queue task.process.order")]
    Apply(Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The queue of a service, by its name, with what it needs: event.TYPE.ENTITY.to.SERVICE, task.ACTION.ENTITY. May be
    /// given more than once. Default: what warren itself needs
    #[arg(long = "queue", value_name = "NAME")]
    queues: Vec<ServiceQueue>,
    #[command(flatten)]
    output: output::Output,
}

/// A queue that a service declares for itself.
#[derive(Debug, Clone)]
enum ServiceQueue {
    Events(Subscription),
    Tasks(TaskRoute),
}

impl FromStr for ServiceQueue {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.parse() {
            Ok(QueueName::Subscription(subscription)) => Ok(Self::Events(subscription)),
            Ok(QueueName::Route(route)) => Ok(Self::Tasks(route)),
            Ok(_) | Err(_) => Err("expected event.TYPE.ENTITY.to.SERVICE with create, update, delete, read or notify \
                                   (event.create.user.to.billing), or task.ACTION.ENTITY (task.process.order); its retry \
                                   and dead-letter queues come with it, and warren's own queues without --queue"
                .to_owned()),
        }
    }
}

impl Args {
    fn plan(&self, settings: &TopologySettings) -> Vec<Declaration> {
        if self.queues.is_empty() {
            return plan(settings);
        }
        let queues = self.queues.iter().flat_map(|queue| match queue {
            ServiceQueue::Events(of) => subscription(of, settings),
            ServiceQueue::Tasks(of) => route(of, settings),
        });
        exchanges(settings).into_iter().chain(queues).collect()
    }
}

pub(super) async fn execute(file: Option<&Path>, command: &Command) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    match command {
        Command::Show(args) => {
            let plan = args.plan(&config.to_topology());
            let row = |declaration: &Declaration| vec![declaration.thing(), arguments(declaration)];
            args.output.print(&["what", "as"], &plan, row, declaration_json)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(args) => {
            let findings = compare(&config, &args.plan(&config.to_topology())).await?;
            findings::print(&args.output, &findings, Told::State)?;
            let wrong = findings.iter().any(|finding| finding.state.is_wrong());
            Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        Command::Apply(args) => {
            let plan = args.plan(&config.to_topology());
            let connection = open(&config).await?;
            let before = answered(&config, &connection, check(&connection, &plan)).await?;
            ensure_usable(&before).context("nothing was declared")?;
            answered(&config, &connection, apply(&connection, &plan)).await?;
            findings::print(&args.output, &before, Told::Done)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Compares a plan with what exists on the broker of the settings.
pub(super) async fn compare(config: &Config, plan: &[Declaration]) -> anyhow::Result<Vec<Finding>> {
    let connection = open(config).await?;
    answered(config, &connection, check(&connection, plan)).await
}

/// An error that names everything that can't be used.
pub(super) fn ensure_usable(findings: &[Finding]) -> anyhow::Result<()> {
    let unusable = findings.iter().filter_map(|finding| match &finding.state {
        State::Unusable(error) => Some(error.to_string()),
        State::Right | State::Usable | State::Missing | State::Untold(_) => None,
    });
    let unusable: Vec<_> = unusable.collect();
    anyhow::ensure!(unusable.is_empty(), "{}", unusable.join("; "));
    Ok(())
}

async fn open(config: &Config) -> anyhow::Result<Connection> {
    if config.broker.url.is_empty() {
        bail!(
            "no broker is configured: set RABBITMQ_URL (amqp://user:password@host:5672); only `warren topology show` needs \
             none"
        );
    }
    let client = config.to_client()?;
    let name = client.service.to_string();
    Ok(connect(&ConnectionSettings { address: client.address, name, timeout: client.connect_timeout }).await?)
}

/// What RabbitMQ answers, within the time that connecting may take too.
async fn answered<T>(
    config: &Config,
    connection: &Connection,
    work: impl Future<Output = Result<T, TopologyError>>,
) -> anyhow::Result<T> {
    let timeout = config.broker.connect_timeout;
    // Whichever comes first; what was declared until then stays.
    tokio::select! {
        answer = work => Ok(answer?),
        () = lost(connection) => bail!("the connection to RabbitMQ was lost; try again"),
        () = tokio::time::sleep(timeout) => bail!(
            "RabbitMQ did not answer within {} (broker.connect_timeout); is it overloaded or out of memory?",
            humantime::format_duration(timeout)
        ),
    }
}

/// What stands behind the name in a declaration's line.
fn arguments(declaration: &Declaration) -> String {
    let line = declaration.to_string();
    line.strip_prefix(&declaration.thing()).unwrap_or_default().trim().to_owned()
}

fn declaration_json(declaration: &Declaration) -> Value {
    let values = |arguments: &BTreeMap<String, Argument>| -> Map<String, Value> {
        arguments.iter().map(|(name, value)| (name.clone(), argument_json(value))).collect()
    };
    match declaration {
        Declaration::Exchange(exchange) => json!({
            "exchange": exchange.name, "type": exchange.kind.to_string(), "durable": exchange.durable,
            "arguments": values(&exchange.arguments),
        }),
        Declaration::Queue(queue) => json!({
            "queue": queue.name, "durable": queue.durable, "arguments": values(&queue.arguments),
        }),
        Declaration::Binding { queue, exchange, key } => {
            json!({ "binding": { "queue": queue, "exchange": exchange, "key": key } })
        }
    }
}

fn argument_json(argument: &Argument) -> Value {
    match argument {
        Argument::Text(text) => text.as_str().into(),
        Argument::Number(number) => (*number).into(),
        Argument::Flag(flag) => (*flag).into(),
    }
}
