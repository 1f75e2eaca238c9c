//! `warren doctor`: is everything reachable and right? Says what is not, and what to do.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use event_driven::topology::{Declaration, Finding, State, plan};
use serde_json::{Value, json};

use super::{client::Client, migrate, output, settings, start, topology};
use crate::{components::ComponentStore, config::Config, sandbox::Sandbox};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits with 0 if everything is right, else with 1.\n\nExamples:\n  warren doctor\n  warren doctor --ready     # only: does the warren running here say that it is ready?"
)]
pub(super) struct Args {
    /// Only ask the running warren whether it is ready, as a container's health check does
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    output: output::Output,
}

/// What was looked at, and what was found.
struct Check {
    what: &'static str,
    found: anyhow::Result<String>,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let checks = match args.ready {
        true => vec![Check { what: "running warren", found: running(&config).await }],
        false => vec![
            Check { what: "settings", found: Ok("valid".to_owned()) },
            Check { what: "broker", found: broker(&config).await },
            Check { what: "database", found: database(&config).await },
            Check { what: "components", found: components(&config).await },
            Check { what: "sandbox", found: sandbox(&config) },
        ],
    };
    args.output.print(
        &["check", "state", "found"],
        &checks,
        |check| vec![check.what.to_owned(), output::styled(state(check)), text(check)],
        |check| json!({ "check": check.what, "ok": check.found.is_ok(), "found": text(check) }),
    )?;
    let well = checks.iter().all(|check| check.found.is_ok());
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn state(check: &Check) -> &'static str {
    if check.found.is_ok() { "ok" } else { "WRONG" }
}

fn text(check: &Check) -> String {
    match &check.found {
        Ok(found) => found.clone(),
        Err(error) => format!("{error:#}"),
    }
}

async fn running(config: &Config) -> anyhow::Result<String> {
    let ready = Client::new(config)?.get("/readyz", &[]).await?;
    anyhow::ensure!(ready.as_ref().and_then(|ready| ready.get("ready")) == Some(&Value::Bool(true)), "it is not ready");
    let components = ready.as_ref().and_then(|ready| ready.pointer("/parts/components")).and_then(Value::as_str);
    Ok(match components {
        Some(trouble) if trouble != "ok" => format!("ready, with the components that it has: {trouble}"),
        _ => "ready".to_owned(),
    })
}

async fn broker(config: &Config) -> anyhow::Result<String> {
    if config.broker.url.is_empty() {
        return Ok("none is configured (RABBITMQ_URL): `warren dev` needs none, `warren run` does".to_owned());
    }
    let findings = topology::compare(config, &plan(&config.to_topology())).await?;
    topology::ensure_usable(&findings)?;
    let count = |is: fn(&Finding) -> bool| findings.iter().filter(|finding| is(finding)).count();
    let missing = count(|finding| matches!(finding.state, State::Missing));
    anyhow::ensure!(
        missing == 0,
        "reachable, but {missing} of {} things are missing: `warren topology apply`, or `warren run`, which declares them",
        findings.len()
    );
    let noted = count(|finding| match finding.state {
        State::Usable => true,
        // Bindings never can be told.
        State::Untold(_) => !matches!(finding.declaration, Declaration::Binding { .. }),
        State::Right | State::Missing | State::Unusable(_) => false,
    });
    Ok(match noted {
        0 => "reachable, and its topology is as it has to be".to_owned(),
        _ => format!("reachable, and usable; {noted} things differ or can't be told: `warren topology check`"),
    })
}

async fn database(config: &Config) -> anyhow::Result<String> {
    if config.database.url.is_empty() {
        return Ok("none is configured (DATABASE_URL): `warren dev` brings its own, `warren run` needs one".to_owned());
    }
    let database = migrate::connect(config).await?;
    let migrations = migration::status(database.schema_connection()).await?;
    let open = migrations.iter().filter(|migration| !migration.is_applied()).count();
    database.close().await;
    anyhow::ensure!(
        open == 0,
        "{open} migrations are not applied: `warren migrate up`, or `warren run`, which does it"
    );
    Ok(format!("reachable, {} migrations applied", migrations.len()))
}

async fn components(config: &Config) -> anyhow::Result<String> {
    let store = ComponentStore::open(&config.components.url)?;
    let stored = store.list().await?;
    if let Some(trouble) = store.trouble() {
        anyhow::bail!("{} in {}, but not all could be read: {trouble}", stored.len(), config.components.url);
    }
    Ok(format!("{} in {}", stored.len(), config.components.url))
}

fn sandbox(config: &Config) -> anyhow::Result<String> {
    let settings = start::engine_settings(config)?;
    Sandbox::new(&settings).context("the sandbox can't be made")?;
    Ok(format!("{} guests at once on {} threads", settings.concurrency, settings.threads))
}
