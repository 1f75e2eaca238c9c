//! `warren dev`: broker, database and HTTP in one process that needs nothing else.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;

use super::{
    logging, output, settings,
    signals::{self, Signals},
    start,
};
use crate::{
    api::{self, WithoutToken},
    broker::Broker,
    components::ComponentStore,
    config::Config,
    lifecycle::Database,
    service::{Parts, Service},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  warren dev
  warren dev --components target/components --data /tmp/warren

What was accepted and is not done is taken up again at the next start with the same --data.")]
pub(super) struct Args {
    /// Where HTTP listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    http_addr: Option<String>,
    /// Where the components are; a file that changes is taken up at once
    #[arg(long, value_name = "DIR")]
    components: Option<String>,
    /// Where the SQLite database is kept
    #[arg(long, default_value = ".warren", value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    tied: signals::Tied,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.data).with_context(|| format!("--data {} can't be made", args.data.display()))?;
    let data = args.data.canonicalize()?;
    let mut flags = Vec::new();
    flags.extend(settings::flag("http-addr", "http.addr", args.http_addr.as_ref()));
    flags.extend(settings::flag("components", "components.url", args.components.as_ref()));
    flags.push(("data".into(), "database.url".into(), format!("sqlite://{}", data.join("warren.db").display())));
    let loaded = settings::load(file, flags)?;
    let config = loaded.config;
    logging::init(&config.log)?;
    let mut signals = Signals::listen_tied(&args.tied)?;
    start::warn_of_variables(&loaded.unknown_variables);
    let bound = api::bind(config.http.addr).await?;
    let Some(parts) = start::unless_stopped(&mut signals, build(config)).await else { return Ok(ExitCode::SUCCESS) };
    let parts = parts?;
    let names: Vec<_> = parts.components.list().into_iter().map(|listed| listed.stored.name.to_string()).collect();
    print_next(&parts.config.components.url, &names, bound.addr)?;
    let service = Service::start(parts).await;
    if let Err(error) = service.resume().await {
        tracing::warn!(%error, "tasks that were not done can't be taken up again, the next start does: {error}");
    }
    start::serve(service, bound, WithoutToken::LoopbackMayWrite, signals).await
}

async fn build(config: Config) -> anyhow::Result<Parts> {
    let database = Database::connect(&config.to_database()).await?;
    database.migrate().await?;
    let store = ComponentStore::open_or_create(&config.components.url)?;
    let broker = Broker::in_process(config.to_in_process());
    start::parts(config, store, broker, database).await
}

/// Tells what to type next.
fn print_next(folder: &str, components: &[String], addr: std::net::SocketAddr) -> std::io::Result<()> {
    let url = match addr.port() {
        8080 => String::new(),
        _ => format!("WARREN_URL=http://{addr} "),
    };
    match components.first() {
        None => output::print_text(&format!(
            "There is no component in {folder} yet. In another terminal:\n  warren component new hello        # write one\n  \
             warren component push FILE.wasm   # or bring one; it is taken up at once"
        )),
        Some(first) => output::print_text(&format!(
            "Components in {folder}: {}. In another terminal:\n  {url}warren task publish {first} --payload '{{\"a\":1}}' --wait\n  \
             {url}warren task list\n  curl http://{addr}/v1/tasks -H 'content-type: application/json' \
             -d '{{\"task_name\":\"{first}\",\"payload\":{{}}}}'",
            components.join(", ")
        )),
    }
}
