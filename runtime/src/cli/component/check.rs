//! `warren component check`: whether a runtime would take a component, and what its imports come to. Offline, but for an
//! artifact in a registry.

use std::{path::Path, process::ExitCode};

use bytes::Bytes;
use bytesize::ByteSize;
use serde_json::{Value, json};

use super::{
    source::{Asked, Found, Source},
    verdict::{Verdict, examine},
};
use crate::{
    cli::{
        manifest_file::ManifestFile,
        output::{self, Format, Output},
        settings,
    },
    components::{Digest, NotSigned, Signature, Statement},
    config::Config,
    sandbox::Standing,
};

pub(super) const HELP: &str = "\
Does what a runtime does when it loads the component, and holds the manifest against [limits], [ceiling] and [allow] of the
settings: use those that the runtimes use. Reads no secret. What is not granted is no fault: a component that imports it finds
nothing there. Where signatures are required (components.require_signatures), it has to be signed for that name and manifest.

Exits with 0 if a runtime with these settings would take it, else with 1.

Examples:
  warren component check target/wasm32-wasip2/release/resize.wasm
  warren component check resize.wasm --manifest resize.toml --output json
  warren component check oci://registry.example.com/acme/resize:1.4.0 --manifest resize.toml";

/// What an author may not think of who signs a file for a component that has a manifest in the store.
const WITHOUT_MANIFEST: &str = "; no manifest came with it, and the one that a push would keep is not looked for here: name it \
                                with --manifest";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    source: Asked,
    #[command(flatten)]
    output: Output,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let source = args.source.source()?;
    let Found { origin: path, bytes, manifest, signature } = source.read(&config).await?;
    let size = bytes.len() as u64;
    let mut verdict = examine(&config, bytes.clone(), manifest.as_ref()).await?;
    verdict.problems.extend(not_signed(&config, &source, &bytes, manifest.as_ref(), signature.as_ref())?);
    match args.output.output {
        Format::Json => output::print_json(&json(&path, size, manifest.as_ref(), &verdict))?,
        Format::Table => print(&path, size, manifest.as_ref(), &verdict)?,
    }
    Ok(if verdict.is_usable() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a runtime would say of its signature.
fn not_signed(
    config: &Config,
    source: &Source<'_>,
    bytes: &Bytes,
    manifest: Option<&ManifestFile>,
    signature: Option<&Signature>,
) -> anyhow::Result<Option<String>> {
    let signers = config.to_signers();
    if !signers.are_required() {
        return Ok(None);
    }
    let statement = Statement::new(&source.name()?, &Digest::of(bytes), manifest.map(|file| file.text.as_str()));
    let told = |error: NotSigned| match (&error, manifest) {
        (NotSigned::Wrong { .. }, None) => format!("{error}{WITHOUT_MANIFEST}"),
        (NotSigned::Wrong { .. }, Some(_)) | (NotSigned::Missing { .. }, _) => error.to_string(),
    };
    Ok(signers.ensure(&statement, signature).err().map(told))
}

fn print(path: &str, size: u64, manifest: Option<&ManifestFile>, verdict: &Verdict) -> std::io::Result<()> {
    if !verdict.imports.is_empty() {
        let row = |(import, standing): &(String, Standing)| {
            vec![output::harmless(import), output::styled(state(standing)), by(standing)]
        };
        Output { output: Format::Table }.print(&["import", "state", "by"], &verdict.imports, row, |_| Value::Null)?;
        output::print_text("")?;
    }
    let told = manifest.map_or_else(|| "without a manifest".to_owned(), |file| format!("with {}", file.origin));
    match verdict.is_usable() {
        true => output::print_text(&format!("{path} can be used, {told} ({})", ByteSize(size))),
        false => {
            output::print_text(&format!("{path} can't be used, {told}:"))?;
            verdict
                .problems
                .iter()
                .try_for_each(|problem| output::print_text(&format!("  {}", output::harmless(problem))))
        }
    }
}

fn json(path: &str, size: u64, manifest: Option<&ManifestFile>, verdict: &Verdict) -> Value {
    let imports = verdict.imports.iter().map(|(import, standing)| {
        let (granted_by, lines): (&[_], &[_]) = match standing {
            Standing::Granted(keys) => (keys, &[]),
            Standing::NotGranted { lines } => (&[], lines),
            Standing::Provided | Standing::NeverGranted | Standing::NotProvided => (&[], &[]),
        };
        json!({ "import": import, "state": state(standing), "granted_by": granted_by, "would_grant": lines })
    });
    json!({
        "file": path,
        "size_bytes": size,
        "digest": verdict.digest.as_ref().map(|digest| digest.as_str()),
        "manifest": manifest.map(|file| &file.origin),
        "usable": verdict.is_usable(),
        "problems": verdict.problems,
        "imports": imports.collect::<Vec<_>>(),
    })
}

fn state(standing: &Standing) -> &'static str {
    match standing {
        Standing::Provided => "provided",
        Standing::Granted(_) => "granted",
        Standing::NotGranted { .. } => "not granted",
        Standing::NeverGranted => "never granted",
        Standing::NotProvided => "not provided",
    }
}

/// By what it is granted, or which line of the manifest would do that.
fn by(standing: &Standing) -> String {
    match standing {
        Standing::Provided => String::new(),
        Standing::Granted(keys) => format!("[grants] {}", keys.join(", ")),
        Standing::NotGranted { lines } => format!("would: [grants] {}", lines.join(", or ")),
        Standing::NeverGranted => "nothing: no guest has sockets; HTTP is granted by hosts".to_owned(),
        Standing::NotProvided => "warren provides WASI 0.2 and warren:task 0.1".to_owned(),
    }
}
