//! `warren component list`: what can be asked for.

use std::path::Path;

use bytesize::ByteSize;
use serde_json::json;

use crate::{
    cli::{output, settings},
    components::{ComponentStore, Digest},
};

pub(super) const HELP: &str = "\
A component without a version was put into the store by hand.

Examples:
  warren component list
  warren component list --output json";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    output: output::Output,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let store = ComponentStore::open(&config.components.url)?;
    let mut components = Vec::new();
    for stored in store.list().await? {
        let digest = match stored.digest() {
            Some(digest) => Ok(digest.clone()),
            // One that can't be read does not hide the others.
            None => store.read(&stored).await.map(|bytes| Digest::of(&bytes)).map_err(|error| error.to_string()),
        };
        components.push((stored, digest));
    }
    args.output.print(
        &["name", "version", "size", "modified", "digest"],
        &components,
        |(stored, digest)| {
            let version = stored.version().map_or_else(|| "-".to_owned(), |version| version.number.to_string());
            let modified = stored.modified.format("%Y-%m-%d %H:%M:%SZ").to_string();
            vec![stored.name.to_string(), version, ByteSize(stored.size).to_string(), modified, told(digest)]
        },
        |(stored, digest)| {
            json!({
                "name": stored.name.as_str(),
                "version": stored.version().map(|version| version.number),
                "size_bytes": stored.size,
                "modified": stored.modified,
                "digest": digest.as_ref().ok().map(Digest::as_str),
                "error": digest.as_ref().err(),
            })
        },
    )?;
    match store.trouble() {
        // What could be listed is printed; who asks for more than that learns it here.
        Some(trouble) => anyhow::bail!("not all of the store could be read: {trouble}"),
        None => Ok(()),
    }
}

fn told(digest: &Result<Digest, String>) -> String {
    match digest {
        Ok(digest) => digest.to_string(),
        Err(error) => output::harmless(error),
    }
}
