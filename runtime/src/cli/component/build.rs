//! `warren component build`: from a crate to a component with its manifest beside it, ready to run, check and push.

mod cargo;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use bytes::Bytes;
use bytesize::ByteSize;

use self::cargo::Cargo;
use super::verdict::examine;
use crate::cli::{manifest_file::ManifestFile, output, settings};

/// What components are compiled for.
pub(super) const TARGET: &str = "wasm32-wasip2";

/// The manifest in the root of a component's crate. The same name in each crate, so that it outlives a new name of the crate.
pub(super) const MANIFEST: &str = "component.toml";

pub(super) const HELP: &str = "\
Runs `cargo build --release --lib --target wasm32-wasip2` in that folder. The crate's component.toml, if it has one, is put
beside the component under the component's name, where `check`, `push` and `task run` find it; one that was put there for an
earlier build is removed when the crate has none any more.

Examples:
  warren component build
  warren component build --path resize";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The folder of the crate
    #[arg(long, default_value = ".", value_name = "DIR")]
    path: PathBuf,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let built = Cargo::find(&args.path)?.build()?;
    let shown = from_here(&built);
    let manifest = put_manifest(&args.path.join(MANIFEST), &built)?;
    let bytes = Bytes::from(fs::read(&built).with_context(|| format!("{shown} can't be read"))?);
    output::print_text(&shown)?;
    output::print_text(&format!("  size      {}", ByteSize(bytes.len() as u64)))?;
    if let Some(manifest) = &manifest {
        output::print_text(&format!("  manifest  {}, from {MANIFEST}", manifest.origin))?;
    }
    let verdict = examine(&config, bytes, manifest.as_ref()).await?;
    let mut heading = "imports";
    for (package, interfaces) in by_package(verdict.imports.iter().map(|(import, _)| import.as_str())) {
        output::print_text(&format!("  {heading:<8}  {}", output::harmless(&format!("{package}: {interfaces}"))))?;
        heading = "";
    }
    if verdict.is_usable() {
        output::print_text(&format!(
            "Next:\n  warren task run {shown} --payload JSON\n  warren component push {shown}"
        ))?;
        return Ok(());
    }
    // It was built, and the settings here need not be those of the runtimes that it is for.
    verdict.problems.iter().try_for_each(|problem| output::print_warning(&output::harmless(problem)))?;
    Ok(())
}

/// Puts the crate's manifest beside the component; takes away one that an earlier build has put there.
fn put_manifest(of_crate: &Path, built: &Path) -> anyhow::Result<Option<ManifestFile>> {
    let beside = ManifestFile::beside(built);
    let origin = from_here(&beside);
    match fs::read_to_string(of_crate) {
        Ok(text) => {
            fs::write(&beside, &text).with_context(|| format!("{origin} can't be written"))?;
            Ok(Some(ManifestFile { origin, text }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::remove_file(&beside) {
            Ok(()) => {
                output::print_warning(&format!("{origin} is removed: the crate has no {MANIFEST}"))?;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{origin} can't be removed")),
        },
        Err(error) => Err(error).with_context(|| format!("{} can't be read", of_crate.display())),
    }
}

/// A path as one would type it in this folder.
fn from_here(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// The imports of each package and version, in one line: `wasi:cli@0.2.6` and `environment, exit`.
fn by_package<'a>(imports: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut packages = BTreeMap::<_, String>::new();
    for import in imports {
        let (interface, version) = import.split_once('@').unwrap_or((import, ""));
        let (package, name) = interface.split_once('/').unwrap_or((interface, ""));
        let package = if version.is_empty() { package.to_owned() } else { format!("{package}@{version}") };
        let names = packages.entry(package).or_default();
        let separator = if names.is_empty() { "" } else { ", " };
        names.push_str(separator);
        names.push_str(name);
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_told_by_package_and_version() {
        let imports = ["wasi:cli/exit@0.2.6", "acme:db/query", "wasi:cli/stdin@0.2.6", "wasi:cli/exit@0.2.0"];
        let told: Vec<_> = by_package(imports.into_iter()).into_iter().map(|(a, b)| format!("{a}: {b}")).collect();
        assert_eq!(told, ["acme:db: query", "wasi:cli@0.2.0: exit", "wasi:cli@0.2.6: exit, stdin"]);
    }
}
