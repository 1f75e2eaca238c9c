//! The command line: one file a subcommand. The binary's edge, where errors become text and exit codes.

mod again;
mod attempts;
mod bench;
mod client;
mod compile_component;
mod completions;
mod component;
mod config;
mod confirm;
mod dead;
mod dev;
mod doctor;
mod event;
mod key;
mod local;
mod logging;
mod logs;
mod manifest_file;
mod migrate;
mod oci;
mod output;
mod patience;
mod payload;
mod progress;
mod prune;
mod reader;
mod run;
mod schedule;
mod sender;
mod settings;
mod signals;
mod start;
mod task;
mod token;
mod top;
mod topology;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Runs untrusted tasks from RabbitMQ, each in a WebAssembly sandbox of its own, and records every task and event.
#[derive(Debug, Parser)]
#[command(name = "warren", version, about, after_help = EXAMPLES, propagate_version = true)]
struct Cli {
    /// The settings' file. Without it, warren.toml in the current directory, if there is one.
    #[arg(long, global = true, env = "WARREN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  warren dev                                             everything in one process, nothing else needed
  warren task publish echo --payload '{\"a\":1}' --wait    ask for a task and wait for its outcome
  warren component new resize                            start a component of your own
  RABBITMQ_URL=amqp://… DATABASE_URL=postgres://… warren run
";

/// One variant a subcommand; what it does is in the file of its name.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service, on RABBITMQ_URL and DATABASE_URL
    Run(run::Args),
    /// Run everything in one process: broker, SQLite and HTTP included, nothing else needed
    Dev(dev::Args),
    /// Publish tasks and read what became of them
    #[command(subcommand)]
    Task(task::Command),
    /// Have tasks asked for again and again, at times that a cron line says
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// Show what goes on: rates, queues, what runs, what fails
    Top(top::Args),
    /// Read dead letters, have them tried again, or throw them away
    #[command(subcommand)]
    Dead(dead::Command),
    /// Publish events and read which were stored
    #[command(subcommand)]
    Event(event::Command),
    /// Write, upload and list components
    #[command(subcommand)]
    Component(component::Command),
    /// Make tokens for those who change components or dead letters over HTTP
    #[command(subcommand)]
    Token(token::Command),
    /// Make keys for those who sign components
    #[command(subcommand)]
    Key(key::Command),
    /// Delete tasks and events that are over and old
    Prune(prune::Args),
    /// Bring the database's schema up to date, or back, or show where it stands
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Show what is declared on RabbitMQ, compare it with what exists, or declare it
    #[command(subcommand)]
    Topology(topology::Command),
    /// Show the settings in force, each with where it came from
    Config(config::Args),
    /// Check that everything warren needs is reachable and right
    Doctor(doctor::Args),
    /// Measure how fast it is here: tasks and events a second, latency, memory, processor time
    Bench(Box<bench::Args>),
    /// Compile the component on stdin, for a runtime that is another process
    #[command(hide = true)]
    CompileComponent(compile_component::Args),
    /// Print a completion script for your shell
    Completions(completions::Args),
}

/// Parses the command line, runs the command, and turns its error into text and an exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Without threads, and before anything else is read: what it compiles may be hostile.
    if let Command::CompileComponent(args) = &cli.command {
        return compile_component::execute(args).unwrap_or_else(|error| output::fail(&error, 1));
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // Connections and timers are looked at after this many polls: one that begins tasks may take a millisecond.
    runtime.enable_all().event_interval(8).thread_name("warren");
    let runtime = match runtime.build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&anyhow::Error::new(error).context("no threads could be started"), 1),
    };
    let result = runtime.block_on(dispatch(&cli));
    // What still runs on a blocking thread (a compilation, a file) must not hold up the exit.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| output::fail(&error, 1))
}

async fn dispatch(cli: &Cli) -> anyhow::Result<ExitCode> {
    let file = cli.config.as_deref();
    match &cli.command {
        Command::Run(args) => run::execute(file, args).await,
        Command::Dev(args) => dev::execute(file, args).await,
        Command::Task(command) => task::execute(file, command).await,
        Command::Schedule(command) => schedule::execute(file, command).await,
        Command::Top(args) => top::execute(file, args).await,
        Command::Dead(command) => dead::execute(file, command).await,
        Command::Event(command) => event::execute(file, command).await,
        Command::Component(command) => component::execute(file, command).await,
        Command::Token(command) => token::execute(command).map(|()| ExitCode::SUCCESS),
        Command::Key(command) => key::execute(command).map(|()| ExitCode::SUCCESS),
        Command::Prune(args) => prune::execute(file, args).await,
        Command::Migrate(command) => migrate::execute(file, command).await,
        Command::Topology(command) => topology::execute(file, command).await,
        Command::Config(args) => config::execute(file, args),
        Command::Doctor(args) => doctor::execute(file, args).await,
        Command::Bench(args) => bench::execute(file, args).await,
        Command::CompileComponent(args) => compile_component::execute(args),
        Command::Completions(args) => completions::execute(args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
