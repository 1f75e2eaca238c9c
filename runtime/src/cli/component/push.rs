//! `warren component push`: check a component and its manifest, and put both where the runtimes find them.

use std::{io, path::Path};

use bytesize::ByteSize;
use event_driven::names::TaskName;

use super::{
    source::{Asked, Found},
    verdict::examine,
};
use crate::{
    cli::{manifest_file::ManifestFile, output, progress, settings, start},
    components::{Change, ComponentStore, StoreError, Upload},
};

pub(super) const HELP: &str = "\
The manifest is held against [limits], [ceiling] and [allow] of the settings before anything is stored: use those that the
runtimes use. Without one, the component keeps the manifest that it has, and is checked with that; an empty file takes
everything back.

What is pushed becomes a version of the component, and the current one. The same file with the same manifest is one version,
however often it is pushed. `warren component use` goes back.

Where signatures are required (components.require_signatures), it has to be signed for the name and the manifest that it gets.
An artifact oci://… is read from its registry with the credentials of `docker login`, its digest is told, and its one layer of
WebAssembly is the component.

Examples:
  warren component push target/wasm32-wasip2/release/resize.wasm
  warren component push build/out.wasm --name resize --manifest resize.toml
  warren component push oci://registry.example.com/acme/resize:1.4.0 --manifest resize.toml";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    source: Asked,
    /// Who pushes it, for those who list its versions. Without it, USER at this machine
    #[arg(long)]
    by: Option<String>,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let url = &config.components.url;
    let source = args.source.source()?;
    let name = source.name()?;
    let Found { origin: path, bytes, manifest, signature } = source.read(&config).await?;
    let kept = match &manifest {
        Some(_) => None,
        None => kept_manifest(url, &name).await?,
    };
    let verdict = examine(&config, bytes.clone(), manifest.as_ref().or(kept.as_ref())).await?;
    let imports = verdict.imports_if_usable(&path)?;
    let size = ByteSize(bytes.len() as u64);
    let (origin, text) = manifest.map(|file| (file.origin, file.text)).unzip();
    let by = args.by.clone().unwrap_or_else(pusher);
    let bar = progress::bar(size);
    let store = ComponentStore::open_or_create(url)?.requiring(config.to_signers());
    let upload = Upload { bytes, manifest: text, signature, by, imports };
    let kept = kept.map(|file| file.text);
    let pushed = store.push_checked(&name, upload, kept.as_deref(), &|more| bar.inc(more)).await;
    bar.finish_and_clear();
    let pushed = pushed?;
    let (number, digest) = (pushed.record.number, &pushed.record.digest);
    let manifest = match (origin, &pushed.record.manifest) {
        (Some(origin), _) => format!("with the manifest {origin}"),
        (None, Some(_)) => "with the manifest that it had".to_owned(),
        (None, None) => "without a manifest".to_owned(),
    };
    let what = match pushed.change {
        Change::Added => format!("{name} is in {url} as version {number}"),
        Change::Again => format!("{name} is in {url}: version {number}, which is the same, is current again"),
        Change::Unchanged => format!("{name} is in {url} as version {number} already, nothing has changed"),
    };
    output::print_text(&format!("{what} ({size}, {digest}, {manifest})"))?;
    Ok(())
}

/// The manifest that the component keeps if none comes with the push. Makes nothing: a directory that is not there yet has none.
async fn kept_manifest(url: &str, name: &TaskName) -> anyhow::Result<Option<ManifestFile>> {
    let store = match ComponentStore::open(url) {
        Err(StoreError::Directory { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let kept = store.kept_manifest(name).await?;
    Ok(kept.map(|text| ManifestFile { origin: format!("of {name} in {url}"), text }))
}

/// Who pushes, as far as the environment tells.
fn pusher() -> String {
    let user =
        ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    format!("{}@{}", user.as_deref().unwrap_or("unknown"), start::host())
}
