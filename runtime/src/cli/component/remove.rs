//! `warren component remove`: a component that no task should find any more.

use std::path::Path;

use anyhow::bail;
use event_driven::names::TaskName;

use crate::{
    cli::{confirm::confirm, output, settings},
    components::{ComponentStore, Removed, StoreError},
};

pub(super) const HELP: &str = "\
Its versions stay: `warren component use` brings one back, a push goes on with their numbers. A component that was put into
the store by hand has none, and its files are deleted. Tasks that ask for it fail as `no_such_component` after their retries.

Examples:
  warren component remove resize
  warren component remove resize --yes    # in a script";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The component's name
    name: TaskName,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let (name, url) = (&args.name, &config.components.url);
    let store = ComponentStore::open(url)?;
    let missing = || StoreError::Missing { name: name.clone(), url: url.clone() };
    let stored = store.head(name).await?.ok_or_else(missing)?;
    let what = match stored.version() {
        Some(version) => format!("{name} from {url} (version {}; its versions stay)", version.number),
        None => format!("{name} from {url} for good (it has no versions)"),
    };
    if !args.yes && !confirm("remove", &what)? {
        bail!("nothing was removed");
    }
    let told = match store.remove(name).await? {
        Removed::Version(version) => {
            format!("{name} is removed; `warren component use {name} {version}` brings it back")
        }
        Removed::Loose => format!("{name} is removed"),
        Removed::Nothing => format!("{name} was removed by someone else"),
    };
    output::print_text(&told)?;
    Ok(())
}
