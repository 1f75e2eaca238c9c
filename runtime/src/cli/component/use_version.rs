//! `warren component use`: back to an older version, or forth again.

use std::path::Path;

use event_driven::names::TaskName;

use crate::{
    cli::{output, settings},
    components::{ComponentStore, Version},
};

pub(super) const HELP: &str = "\
The runtimes take it up within seconds (components.scan), with the manifest that was pushed with it. Tasks that run finish on
the version that they began with. Where signatures are required (components.require_signatures), a version that is not signed is
refused.

Examples:
  warren component versions resize
  warren component use resize 3";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The component's name
    name: TaskName,
    /// The number of one of its versions
    #[arg(value_name = "VERSION")]
    number: Version,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let (name, version) = (&args.name, args.number);
    let store = ComponentStore::open(&config.components.url)?.requiring(config.to_signers());
    let switched = store.use_version(name, version).await?;
    let digest = &switched.record.digest;
    let told = match switched.before {
        Some(before) if before == version => "it was already".to_owned(),
        Some(before) => format!("it was version {before}"),
        None => "it had been removed".to_owned(),
    };
    output::print_text(&format!("version {version} of {name} is current ({digest}); {told}"))?;
    Ok(())
}
