//! `warren component push`: check a component and its manifest, and put both where the runtimes find them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use bytes::Bytes;
use bytesize::ByteSize;
use event_driven::names::TaskName;
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    signed::{self, name_of},
    verdict::examine,
};
use crate::{
    cli::{manifest_file::ManifestFile, output, settings, start},
    components::{Change, ComponentStore, Upload},
};

pub(super) const HELP: &str = "\
The manifest is held against [limits], [ceiling] and [allow] of the settings before anything is stored: use those that the
runtimes use. Without one, the component keeps the manifest that it has; an empty file takes everything back.

What is pushed becomes a version of the component, and the current one. The same file with the same manifest is one version,
however often it is pushed. `warren component use` goes back.

Where signatures are required (components.require_signatures), it has to be signed for the name and the manifest that it gets.

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
    /// Its signature. Without it, FILE.sig, if there is one
    #[arg(long, value_name = "FILE.sig")]
    signature: Option<PathBuf>,
    /// Who pushes it, for those who list its versions. Without it, USER at this machine
    #[arg(long)]
    by: Option<String>,
}

/// Files from this size on show how far they are: they are sent in parts.
const SHOWN_FROM: ByteSize = ByteSize::mib(8);

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let (path, url) = (args.file.display(), &config.components.url);
    let name = name_of(&args.file, args.name.as_ref())?;
    let bytes = Bytes::from(fs::read(&args.file).with_context(|| format!("{path} can't be read"))?);
    let manifest = ManifestFile::find(&args.file, args.manifest.as_deref())?;
    let signature = signed::find(&args.file, args.signature.as_deref())?;
    let verdict = examine(&config, bytes.clone(), manifest.as_ref()).await?;
    let imports = verdict.imports_if_usable(&path.to_string())?;
    let size = ByteSize(bytes.len() as u64);
    let (origin, text) = manifest.map(|file| (file.origin, file.text)).unzip();
    let by = args.by.clone().unwrap_or_else(pusher);
    let bar = progress(size);
    let store = ComponentStore::open_or_create(url)?.requiring(config.to_signers());
    let upload = Upload { bytes, manifest: text, signature, by, imports };
    let pushed = store.push_watched(&name, upload, &|more| bar.inc(more)).await;
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

/// How far the upload is, on stderr if that is a terminal.
fn progress(size: ByteSize) -> ProgressBar {
    if size < SHOWN_FROM {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(size.as_u64());
    match ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Who pushes, as far as the environment tells.
fn pusher() -> String {
    let user =
        ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    format!("{}@{}", user.as_deref().unwrap_or("unknown"), start::host())
}
