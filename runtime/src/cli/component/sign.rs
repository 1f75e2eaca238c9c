//! `warren component sign`: an author vouches for a component, under its name and with its manifest. Offline.

use std::{fs, path::PathBuf};

use anyhow::Context;
use event_driven::names::TaskName;

use super::signed::{beside, name_of};
use crate::{
    cli::{manifest_file::ManifestFile, output},
    components::{Digest, SigningKey, Statement},
};

pub(super) const HELP: &str = "\
Writes the signature into FILE.sig, where `warren component push` finds it. It is good for that file under that name with that
manifest, or without one, and for nothing else: sign again whenever one of them changes.

Runtimes that have the public key in [components] require_signatures take only what is signed. `warren key new` makes a key.

Examples:
  warren component sign target/wasm32-wasip2/release/resize.wasm --key ci.pem
  warren component sign build/out.wasm --key ci.pem --name resize --manifest resize.toml";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The component, compiled for wasm32-wasip2
    file: PathBuf,
    /// The private key: Ed25519, PKCS#8 as PEM, without a password
    #[arg(long, value_name = "KEY.pem")]
    key: PathBuf,
    /// The name under which tasks ask for it. Without it, the file's name
    #[arg(long)]
    name: Option<TaskName>,
    /// Its limits and grants. Without it, the file beside FILE that ends in .toml, if there is one
    #[arg(long, value_name = "FILE.toml")]
    manifest: Option<PathBuf>,
}

pub(super) fn execute(args: &Args) -> anyhow::Result<()> {
    let (path, key_path) = (args.file.display(), args.key.display());
    let name = name_of(&args.file, args.name.as_ref())?;
    let bytes = fs::read(&args.file).with_context(|| format!("{path} can't be read"))?;
    let manifest = ManifestFile::find(&args.file, args.manifest.as_deref())?;
    let pem = fs::read(&args.key).with_context(|| format!("the key {key_path} can't be read"))?;
    let key = SigningKey::from_pem(&pem).with_context(|| format!("the key {key_path} can't be used"))?;
    let text = manifest.as_ref().map(|file| file.text.as_str());
    let signature = key.sign(&Statement::new(&name, &Digest::of(&bytes), text));
    let target = beside(&args.file);
    fs::write(&target, format!("{signature}\n")).with_context(|| format!("{} can't be written", target.display()))?;
    let told =
        manifest.map_or_else(|| "without a manifest".to_owned(), |file| format!("with the manifest {}", file.origin));
    output::print_text(&format!("{path} is signed as {name}, {told}, by {}: {}", key.public_key(), target.display()))?;
    Ok(())
}
