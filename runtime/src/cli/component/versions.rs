//! `warren component versions`: what a component was and is.

use std::path::Path;

use bytesize::ByteSize;
use event_driven::names::TaskName;
use serde_json::{Value, json};

use super::signed;
use crate::{
    cli::{output, settings},
    components::{ComponentStore, StoreError, VersionRecord},
};

pub(super) const HELP: &str = "\
Tasks are executed with the version that is marked as current. Who pushed one is what they said: nobody has checked it. Who has signed
one is told where the settings have the public keys (components.require_signatures).

Examples:
  warren component versions resize
  warren component versions resize --output json";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The component's name
    name: TaskName,
    #[command(flatten)]
    output: output::Output,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let (name, signers, url) = (args.name.clone(), config.to_signers(), config.components.url);
    let store = ComponentStore::open(&url)?;
    let Some(versions) = store.versions(&name).await? else {
        let loose = store.head(&name).await?.is_some();
        anyhow::bail!(if loose { StoreError::Loose { name } } else { StoreError::Missing { name, url } });
    };
    let is_current = |record: &VersionRecord| versions.current == Some(record.number);
    args.output.print(
        &["version", "", "size", "uploaded", "by", "manifest", "signed", "digest"],
        &versions.all,
        |record| {
            vec![
                record.number.to_string(),
                if is_current(record) { "current" } else { "" }.to_owned(),
                ByteSize(record.size_bytes).to_string(),
                record.uploaded_at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
                output::harmless(&record.by),
                if record.manifest.is_some() { "yes" } else { "none" }.to_owned(),
                signed::told(&signers, &record.statement(&args.name), record.signature.as_ref()),
                record.digest.to_string(),
            ]
        },
        |record| {
            let mut shown = json!(record);
            if let Value::Object(fields) = &mut shown {
                let signed_by = signers.signer(&record.statement(&args.name), record.signature.as_ref());
                fields.insert("signed_by".into(), json!(signed_by));
                fields.insert("current".into(), is_current(record).into());
            }
            shown
        },
    )?;
    Ok(())
}
