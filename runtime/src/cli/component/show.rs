//! `warren component show`: one component, what it may use and do, and what its tasks used.

use std::path::Path;

use anyhow::Context;
use bytesize::ByteSize;
use event_driven::names::TaskName;
use serde_json::{Map, Value, json};
use toml::Table;

use super::signed;
use crate::{
    cli::{
        output::{self, Format, Output},
        reader::Reader,
        settings,
    },
    components::{ComponentStore, Digest, Statement},
    config::Config,
};

pub(super) const HELP: &str = "\
What its tasks used is read from DATABASE_URL, or over HTTP where that is not set: all attempts at its newest 1,000 tasks.

Examples:
  warren component show resize
  warren component show resize --output json";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The component's name
    name: TaskName,
    #[command(flatten)]
    output: Output,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let (name, url) = (&args.name, &config.components.url);
    let store = ComponentStore::open(url)?;
    let stored = store.head(name).await?;
    let stored = stored.with_context(|| format!("there is no component {name} in {url}"))?;
    let digest = match stored.digest() {
        Some(digest) => digest.clone(),
        None => Digest::of(&store.read(&stored).await?),
    };
    let text = store.manifest(&stored).await?;
    let mut shown = Map::new();
    shown.insert("name".into(), name.as_str().into());
    shown.insert("version".into(), json!(stored.version().map(|version| version.number)));
    shown.insert("by".into(), json!(stored.version().map(|version| &version.by)));
    shown.insert("size_bytes".into(), stored.size.into());
    shown.insert("modified".into(), json!(stored.modified));
    shown.insert("digest".into(), digest.as_str().into());
    let (statement, signers) = (Statement::new(name, &digest, text.as_deref()), config.to_signers());
    let (signature, told) = match store.signature(&stored).await {
        Ok(signature) => (signature.clone(), signed::told(&signers, &statement, signature.as_ref())),
        Err(error) => (None, error.to_string()),
    };
    shown.insert("signature".into(), json!(signature));
    shown.insert("signed_by".into(), json!(signers.signer(&statement, signature.as_ref())));
    shown.insert("signed".into(), told.into());
    shown.insert("manifest".into(), json!(text));
    shown.insert("imports".into(), json!(stored.version().map(|version| &version.imports)));
    match in_force(&config, text.as_deref().unwrap_or_default()) {
        Ok((limits, grants)) => {
            shown.insert("limits".into(), limits);
            shown.insert("grants".into(), grants);
        }
        Err(error) => {
            shown.insert("manifest_error".into(), format!("{error:#}").into());
        }
    }
    // Where no database and no warren is, there is still a component to show.
    match usage(&config, name).await {
        Ok(usage) => shown.insert("usage".into(), usage),
        Err(error) => shown.insert("usage_error".into(), error.to_string().into()),
    };
    let shown = Value::Object(shown);
    match args.output.output {
        Format::Json => output::print_json(&shown)?,
        Format::Table => print(&shown)?,
    }
    Ok(())
}

/// The limits in force, each with where it is from; and the grants as the manifest has them, in which secrets are
/// references.
fn in_force(config: &Config, text: &str) -> anyhow::Result<(Value, Value)> {
    let manifest = config.to_bounds().read(text)?;
    let written: Table = text.parse()?;
    let limits = Table::try_from(&manifest.limits)?.into_iter().map(|(limit, value)| {
        let named = written.get("limits").is_some_and(|limits| limits.get(&limit).is_some());
        let shown = json!({ "value": value, "from": if named { "manifest" } else { "default" } });
        (limit, shown)
    });
    let limits = limits.collect::<Map<_, _>>();
    let grants = written.get("grants").map_or_else(|| Ok(json!({})), serde_json::to_value)?;
    Ok((Value::Object(limits), grants))
}

async fn usage(config: &Config, name: &TaskName) -> anyhow::Result<Value> {
    Reader::open(config).await?.usage(name).await
}

fn print(shown: &Value) -> anyhow::Result<()> {
    let line = |name: &str, value: &str| output::print_text(&format!("{name:<10} {}", output::harmless(value)));
    line("name", &output::text(shown, "name"))?;
    match output::text(shown, "version") {
        none if none.is_empty() => line("version", "none, it was put into the store by hand")?,
        version => line("version", &format!("{version}, pushed by {}", output::text(shown, "by")))?,
    }
    line("size", &ByteSize(number(shown, "size_bytes")).to_string())?;
    line("modified", &output::time(&output::text(shown, "modified")))?;
    line("digest", &output::text(shown, "digest"))?;
    line("signed", &output::text(shown, "signed"))?;
    let lines = shown.get("manifest").and_then(Value::as_str).map(|text| text.lines().count());
    match (lines, output::text(shown, "manifest_error")) {
        (_, error) if !error.is_empty() => line("manifest", &format!("can't be used: {error}"))?,
        (None, _) => line("manifest", "none")?,
        (Some(lines), _) => line("manifest", &format!("{lines} lines; --output json prints it"))?,
    }
    if let Some(limits) = shown.get("limits") {
        let rows = entries(limits, |name, limit| {
            vec![name.to_owned(), output::text(limit, "value"), output::text(limit, "from")]
        });
        print_table(&["limit", "value", "from"], rows)?;
    }
    match shown.get("grants").map(|grants| entries(grants, |name, grant| vec![name.to_owned(), plain(grant)])) {
        Some(rows) if !rows.is_empty() => print_table(&["grant", "what"], rows)?,
        Some(_nothing) => output::print_text("\nnothing is granted")?,
        None => {}
    }
    match shown.get("usage") {
        Some(usage) => print_usage(usage)?,
        None => {
            output::print_text(&format!("\nwhat its tasks used is not known: {}", output::text(shown, "usage_error")))?
        }
    }
    Ok(())
}

fn print_usage(usage: &Value) -> std::io::Result<()> {
    let (tasks, attempts) = (number(usage, "tasks"), number(usage, "attempts"));
    let completed = number(usage, "completed");
    output::print_text(&format!("\nits last {tasks} tasks: {attempts} attempts, {completed} of them completed"))?;
    let bytes = |bytes| ByteSize(bytes).to_string();
    let used: Vec<_> = [
        spread(usage, "cpu_us", "processor time", output::duration),
        spread(usage, "wall_us", "wall time", output::duration),
        spread(usage, "memory_bytes", "memory", bytes),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !used.is_empty() {
        print_table(&["used", "p50", "p99"], used)?;
    }
    let failed = usage.get("failed").map(|failed| entries(failed, |class, n| vec![class.to_owned(), n.to_string()]));
    match failed {
        Some(rows) if !rows.is_empty() => print_table(&["failed with", "attempts"], rows),
        _ => Ok(()),
    }
}

/// The row of a number that is known.
fn spread(usage: &Value, field: &str, name: &str, told: impl Fn(u64) -> String) -> Option<Vec<String>> {
    let spread = usage.get(field).filter(|spread| spread.is_object())?;
    Some(vec![name.to_owned(), told(number(spread, "p50")), told(number(spread, "p99"))])
}

/// A row for each member of an object.
fn entries(object: &Value, row: impl Fn(&str, &Value) -> Vec<String>) -> Vec<Vec<String>> {
    object.as_object().into_iter().flatten().map(|(name, value)| row(name, value)).collect()
}

fn print_table(columns: &[&str], rows: Vec<Vec<String>>) -> std::io::Result<()> {
    output::print_text("")?;
    let row = |row: &Vec<String>| row.iter().map(|cell| output::harmless(cell)).collect();
    Output { output: Format::Table }.print(columns, &rows, row, |_| Value::Null)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(object: &Value, field: &str) -> u64 {
    object.get(field).and_then(Value::as_u64).unwrap_or_default()
}
