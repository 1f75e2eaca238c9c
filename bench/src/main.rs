//! What warren's speed is compared with, all in one binary: the loops that do only the essentials ([`the_loop`],
//! [`event_loop`]), and consumers as one writes them by hand, in this process or with a process for each task ([`by_hand`]).
//!
//! Each reads a queue of BENCH_RABBITMQ_URL, to which `bench publish` brings what a producer of warren's
//! publishes, and writes rows to BENCH_DATABASE_URL, which has to be empty. `bench/run.py` starts them in turns.

mod by_hand;
mod database;
mod event_loop;
mod latency;
mod one;
mod publish;
mod slow;
mod the_loop;
mod worker;

use std::{error::Error, path::PathBuf};

use clap::{Parser, Subcommand};

/// wasmtime's errors are no `std::error::Error`, and become one only in a box.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Where it runs.
#[derive(Debug, clap::Args)]
struct Places {
    /// A virtual host with nothing else in it
    #[arg(
        long,
        env = "BENCH_RABBITMQ_URL",
        value_name = "URL",
        global = true,
        default_value = "amqp://127.0.0.1/bench"
    )]
    rabbitmq: String,
    /// A Postgres database with nothing else in it
    #[arg(
        long,
        env = "BENCH_DATABASE_URL",
        value_name = "URL",
        global = true,
        default_value = "postgres://127.0.0.1/bench"
    )]
    database: String,
    /// The folder of the components
    #[arg(long, env = "BENCH_COMPONENTS", value_name = "DIR", global = true, default_value = "target/components")]
    components: PathBuf,
}

/// The peers that are written in Rust.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Publish tasks or events, and return when the broker has them
    Publish(publish::Args),
    /// Publish tasks at a fixed rate, and measure how long each takes from when it is due to its answer
    Latency(latency::Args),
    /// Consume, instantiate and execute, upsert rows in batches, ack in groups, and nothing else
    Loop,
    /// Consume events, insert rows in batches, ack in groups, and nothing else
    EventLoop,
    /// One insert, one update and one ack for each message, in native code, with so many at once
    ByHand,
    /// The same with a process for each task, which executes the component
    Subprocess,
    /// Answer over HTTP after as many milliseconds as the path says, for tasks that wait
    Slow,
    /// Execute a compiled component on the payload of stdin, and end
    #[command(hide = true)]
    One(one::Args),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    // Measured by how fast it starts: no threads that it does not need.
    if let Command::One(args) = &cli.command {
        return one::execute(args);
    }
    tokio::runtime::Runtime::new()?.block_on(dispatch(&cli))
}

/// Ends when a worker is told to stop.
async fn dispatch(cli: &Cli) -> Result<()> {
    let mut asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let work = async {
        match &cli.command {
            Command::Publish(args) => publish::execute(&cli.places, args).await,
            Command::Latency(args) => latency::execute(&cli.places, args).await,
            Command::Loop => the_loop::execute(&cli.places).await,
            Command::EventLoop => event_loop::execute(&cli.places).await,
            Command::ByHand => by_hand::execute(&cli.places, by_hand::Isolation::None).await,
            Command::Subprocess => by_hand::execute(&cli.places, by_hand::Isolation::Process).await,
            Command::Slow => slow::execute().await,
            Command::One(args) => one::execute(args),
        }
    };
    tokio::select! {
        done = work => done,
        _ = asked.recv() => Ok(()),
    }
}
