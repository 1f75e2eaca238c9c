//! `warren migrate`: the database's schema, up to date, back, or where it stands.

use std::{path::Path, process::ExitCode};

use anyhow::bail;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use serde_json::json;

use super::{output, settings};
use crate::{config::Config, lifecycle::Database};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Bring the schema up to date
    #[command(after_help = "Examples:\n  DATABASE_URL=postgres://… warren migrate up")]
    Up,
    /// Undo the newest migrations: tables that they made are dropped, with all rows
    #[command(after_help = "Examples:\n  warren migrate down --steps 1")]
    Down(Down),
    /// List the migrations, and which are applied
    #[command(after_help = "Examples:\n  warren migrate status --output json")]
    Status(Status),
}

#[derive(Debug, clap::Args)]
pub(super) struct Down {
    /// How many to undo
    #[arg(long)]
    steps: u32,
}

#[derive(Debug, clap::Args)]
pub(super) struct Status {
    #[command(flatten)]
    output: output::Output,
}

pub(super) async fn execute(file: Option<&Path>, command: &Command) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let database = connect(&config).await?;
    match command {
        Command::Up => {
            database.migrate().await?;
            output::print_text(&format!("{} is up to date", database.url()))?;
        }
        Command::Down(args) => {
            migration::down(database.schema_connection(), args.steps).await?;
            output::print_text(&format!("{} is back by {}", database.url(), args.steps))?;
        }
        Command::Status(args) => status(&database, args).await?,
    }
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn status(database: &Database, args: &Status) -> anyhow::Result<()> {
    let migrations = migration::status(database.schema_connection()).await?;
    args.output.print(
        &["migration", "applied"],
        &migrations,
        |migration| vec![migration.name.clone(), applied(migration)],
        |migration| json!({ "migration": migration.name, "applied_at": applied_at(migration) }),
    )?;
    Ok(())
}

fn applied_at(migration: &migration::AppliedMigration) -> Option<DateTime<Utc>> {
    migration.applied_at_unix.and_then(|seconds| DateTime::from_timestamp(seconds, 0))
}

fn applied(migration: &migration::AppliedMigration) -> String {
    applied_at(migration).map_or_else(|| "no".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// Opens the database of the settings.
pub(super) async fn connect(config: &Config) -> anyhow::Result<Database> {
    if config.database.url.is_empty() {
        bail!("no database is configured: set DATABASE_URL (postgres://user:password@host/name, or sqlite:///path)");
    }
    Ok(Database::connect(&config.to_database()).await?)
}
