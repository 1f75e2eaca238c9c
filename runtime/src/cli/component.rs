//! `warren component`: write, build and check a component of your own, upload it, see what is there.

mod build;
mod check;
mod new;
mod push;
mod show;
mod verdict;

use std::{path::Path, process::ExitCode};

use bytesize::ByteSize;
use clap::Subcommand;
use serde_json::json;

use super::{output, settings};
use crate::{
    components::{ComponentStore, Digest},
    manifest,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write the crate of a new component into a folder of its name
    #[command(after_help = new::HELP)]
    New(new::Args),
    /// Build the component whose crate is in this folder
    #[command(after_help = build::HELP)]
    Build(build::Args),
    /// Check whether a runtime would take a component, and show what its imports come to
    #[command(after_help = check::HELP)]
    Check(check::Args),
    /// Check a component and put it where the runtimes find it
    #[command(after_help = push::HELP)]
    Push(push::Args),
    /// List the components that are there
    #[command(after_help = "Examples:\n  warren component list\n  warren component list --output json")]
    List(List),
    /// Show one component: its file, its limits and grants, and what its tasks used
    #[command(after_help = show::HELP)]
    Show(show::Args),
    /// Print the JSON schema of a manifest, for editors
    #[command(after_help = "Examples:\n  warren component schema > manifest.schema.json")]
    Schema,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    output: output::Output,
}

pub(super) async fn execute(file: Option<&Path>, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(args) => new::execute(args)?,
        Command::Build(args) => build::execute(file, args).await?,
        Command::Check(args) => return check::execute(file, args).await,
        Command::Push(args) => push::execute(file, args).await?,
        Command::List(args) => list(file, args).await?,
        Command::Show(args) => show::execute(file, args).await?,
        Command::Schema => output::print_json(manifest::schema().as_value())?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(file: Option<&Path>, args: &List) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let store = ComponentStore::open(&config.components.url)?;
    let mut components = Vec::new();
    for stored in store.list().await? {
        let digest = Digest::of(&store.read(&stored).await?);
        components.push((stored, digest));
    }
    args.output.print(
        &["name", "size", "modified", "digest"],
        &components,
        |(stored, digest)| {
            let modified = stored.modified.format("%Y-%m-%d %H:%M:%SZ").to_string();
            vec![stored.name.to_string(), ByteSize(stored.size).to_string(), modified, digest.to_string()]
        },
        |(stored, digest)| {
            json!({ "name": stored.name.as_str(), "size_bytes": stored.size, "modified": stored.modified, "digest": digest.as_str() })
        },
    )?;
    Ok(())
}
