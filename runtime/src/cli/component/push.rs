//! `warren component push`: check a component and its manifest, and put both where the runtimes find them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use bytes::Bytes;
use bytesize::ByteSize;
use event_driven::names::TaskName;

use super::verdict::examine;
use crate::{
    cli::{manifest_file::ManifestFile, output, settings},
    components::ComponentStore,
};

pub(super) const HELP: &str = "\
The manifest is held against [limits], [ceiling] and [allow] of the settings before anything is stored: use those that the
runtimes use. Without one, the component keeps the manifest that it has; an empty file takes everything back.

Examples:
  warren component push target/wasm32-wasip2/release/resize.wasm
  warren component push build/out.wasm --name resize --manifest resize.toml";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The component, compiled for wasm32-wasip2
    file: PathBuf,
    /// The name under which tasks ask for it. Without it, the file's name
    #[arg(long)]
    name: Option<TaskName>,
    /// Its limits and grants. Without it, the file beside FILE that ends in .toml, if there is one
    #[arg(long, value_name = "FILE.toml")]
    manifest: Option<PathBuf>,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let (path, url) = (args.file.display(), &config.components.url);
    let name = match &args.name {
        Some(name) => name.clone(),
        None => {
            let stem = args.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            stem.parse().with_context(|| format!("{path}: the file's name is no task's name; use --name"))?
        }
    };
    let bytes = Bytes::from(fs::read(&args.file).with_context(|| format!("{path} can't be read"))?);
    let manifest = ManifestFile::find(&args.file, args.manifest.as_deref())?;
    let verdict = examine(&config, bytes.clone(), manifest.as_ref()).await?;
    let digest = verdict.digest_if_usable(&path.to_string())?;
    let size = ByteSize(bytes.len() as u64);
    let store = ComponentStore::open_or_create(url)?;
    let told = match manifest {
        Some(ManifestFile { origin, text }) => {
            // First, so that no task is executed with the new code and the grants of the old one.
            store.put_manifest(&name, text).await?;
            format!("with the manifest {origin}")
        }
        None if store.head(&name).await?.is_some_and(|stored| stored.has_manifest()) => {
            "with the manifest that it had".to_owned()
        }
        None => "without a manifest".to_owned(),
    };
    store.put(&name, bytes).await?;
    output::print_text(&format!("{name} is in {url} ({size}, {digest}, {told})"))?;
    Ok(())
}
