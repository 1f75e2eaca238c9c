//! `warren run`: the service, on RabbitMQ and a database.

use std::{path::Path, process::ExitCode};

use anyhow::bail;

use super::{
    logging, migrate,
    patience::Patience,
    settings,
    signals::{self, Signals},
    start,
};
use crate::{
    api::{self, Starting, WithoutToken},
    broker::Broker,
    components::ComponentStore,
    config::Config,
    service::{Parts, Service},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  RABBITMQ_URL=amqp://guest:guest@localhost:5672 DATABASE_URL=postgres://warren@localhost/warren warren run
  warren run --config /etc/warren.toml --no-migrate

Every setting has a variable WARREN_<SECTION>_<KEY>; `warren config` lists them with their values.")]
pub(super) struct Args {
    /// Leave the database's schema as it is
    #[arg(long)]
    no_migrate: bool,
    /// Where HTTP listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    http_addr: Option<String>,
    /// Where the components are: a directory, or s3://bucket/prefix, gs://… or az://…
    #[arg(long, value_name = "URL")]
    components: Option<String>,
    #[command(flatten)]
    tied: signals::Tied,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    let mut flags = Vec::new();
    flags.extend(settings::flag("http-addr", "http.addr", args.http_addr.as_ref()));
    flags.extend(settings::flag("components", "components.url", args.components.as_ref()));
    flags.extend(args.no_migrate.then(|| ("no-migrate".into(), "service.migrate".into(), "false".into())));
    let loaded = settings::load(file, flags)?;
    let config = loaded.config;
    logging::init(&config.log)?;
    let mut signals = Signals::listen_tied(&args.tied)?;
    if config.broker.url.is_empty() {
        bail!(
            "no broker is configured: set RABBITMQ_URL (amqp://user:password@host:5672), or use `warren dev`, which needs none"
        );
    }
    start::warn_of_variables(&loaded.unknown_variables);
    let bound = api::bind(config.http.addr).await?;
    let starting = Starting::default();
    let meanwhile = bound.serve_start(starting.clone())?;
    let built = start::unless_stopped(&mut signals, build(config, starting)).await;
    let Some(parts) = built else { return Ok(ExitCode::SUCCESS) };
    let service = Service::start(parts?).await;
    meanwhile.stop().await;
    start::serve(service, bound, WithoutToken::NobodyMayWrite, signals).await
}

async fn build(config: Config, starting: Starting) -> anyhow::Result<Parts> {
    let broker_config = config.to_broker()?;
    let patience = Patience::begin(config.service.start_patience, starting);
    let database = patience
        .reach("database", async || {
            let database = migrate::connect(&config).await?;
            if config.service.migrate {
                database.migrate().await?;
            }
            Ok(database)
        })
        .await?;
    let broker = patience.reach("broker", async || Ok(Broker::connect(broker_config.clone()).await?)).await?;
    let store = ComponentStore::open(&config.components.url)?;
    patience.reach("components", async || Ok(store.list().await.map(drop)?)).await?;
    start::parts(config, store, broker, database).await
}
