//! `warren component push`: check a component and its manifest, and put both where the runtimes find them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use bytes::Bytes;
use bytesize::ByteSize;
use event_driven::names::TaskName;

use crate::{
    cli::{output, settings, start},
    components::{self, Compiler, ComponentStore, Digest, Prepare},
    config::Config,
    sandbox::{EngineSettings, Sandbox},
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
    let manifest = manifest(&config, args)?;
    let digest =
        check(&config, bytes.clone()).await.with_context(|| format!("{path} can't be a component of warren"))?;
    let size = ByteSize(bytes.len() as u64);
    let store = ComponentStore::open_or_create(url)?;
    let told = match manifest {
        Some((path, text)) => {
            // First, so that no task is executed with the new code and the grants of the old one.
            store.put_manifest(&name, text).await?;
            format!("with the manifest {}", path.display())
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

/// The manifest that was asked for or lies beside the component, within the operator's bounds.
fn manifest(config: &Config, args: &Args) -> anyhow::Result<Option<(PathBuf, String)>> {
    let beside = || Some(args.file.with_extension("toml")).filter(|path| path.is_file());
    let Some(path) = args.manifest.clone().or_else(beside) else { return Ok(None) };
    let text = fs::read_to_string(&path).with_context(|| format!("the manifest {} can't be read", path.display()))?;
    let read = config.to_bounds().read(&text);
    read.with_context(|| format!("the manifest {} can't be used", path.display()))?;
    Ok(Some((path, text)))
}

/// Does what a runtime does when it loads the file. Without its manifest: secrets are the runtime's to read.
async fn check(config: &Config, bytes: Bytes) -> anyhow::Result<Digest> {
    let settings = start::engine_settings(config)?;
    let sandbox = Sandbox::new(&EngineSettings { concurrency: 1, threads: 1, ..settings })?;
    let compiler = Compiler::new(sandbox.engine().clone(), start::compile_place(config)?, None);
    let fitter: Prepare<()> = Box::new(sandbox.fitter(config.to_bounds()));
    Ok(components::check(&compiler, &fitter, bytes, None).await?.digest)
}
