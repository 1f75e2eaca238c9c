//! `warren component`: write, build, check and sign a component of your own, upload it, see what is there, go back to an older
//! version.

mod build;
mod check;
mod list;
mod new;
mod push;
mod remove;
mod show;
mod sign;
mod signed;
mod source;
mod use_version;
mod verdict;
mod versions;

use std::{path::Path, process::ExitCode};

use clap::Subcommand;

use super::output;
use crate::manifest;

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
    /// Sign a component, for runtimes that take only what is signed
    #[command(after_help = sign::HELP)]
    Sign(sign::Args),
    /// Check a component and put it where the runtimes find it
    #[command(after_help = push::HELP)]
    Push(push::Args),
    /// List the components that are there
    #[command(after_help = list::HELP)]
    List(list::Args),
    /// Show one component: its file, its limits and grants, and what its tasks used
    #[command(after_help = show::HELP)]
    Show(show::Args),
    /// List the versions of a component
    #[command(after_help = versions::HELP)]
    Versions(versions::Args),
    /// Make another version of a component the current one, as to go back to an older one
    #[command(after_help = use_version::HELP)]
    Use(use_version::Args),
    /// Take a component away; its versions stay
    #[command(after_help = remove::HELP)]
    Remove(remove::Args),
    /// Print the JSON schema of a manifest, for editors
    #[command(after_help = "Examples:\n  warren component schema > manifest.schema.json")]
    Schema,
}

pub(super) async fn execute(file: Option<&Path>, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(args) => new::execute(args)?,
        Command::Build(args) => build::execute(file, args).await?,
        Command::Check(args) => return check::execute(file, args).await,
        Command::Sign(args) => sign::execute(args)?,
        Command::Push(args) => push::execute(file, args).await?,
        Command::List(args) => list::execute(file, args).await?,
        Command::Show(args) => show::execute(file, args).await?,
        Command::Versions(args) => versions::execute(file, args).await?,
        Command::Use(args) => use_version::execute(file, args).await?,
        Command::Remove(args) => remove::execute(file, args).await?,
        Command::Schema => output::print_json(manifest::schema().as_value())?,
    }
    Ok(ExitCode::SUCCESS)
}
