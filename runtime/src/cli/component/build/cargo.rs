//! Cargo, asked for what it knows: which crate lies in a folder, and which file it has built.

use std::{
    ffi::OsString,
    fs, io,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use serde::Deserialize;

use super::TARGET;

/// What gives a library that is a component, and not one for other crates.
const CRATE_TYPE: &str = "cdylib";

/// A crate of a component, and a cargo that can build it.
pub(super) struct Cargo {
    /// The crate's folder, without links. Programs are run in there, because a `rust-toolchain.toml` may choose them.
    folder: PathBuf,
}

/// A part of what `cargo metadata` prints.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// A line of what `cargo build --message-format=json` prints, if it tells of a file that was built.
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    manifest_path: PathBuf,
    target: Target,
    filenames: Vec<PathBuf>,
}

impl Target {
    fn is_component(&self) -> bool {
        self.crate_types.iter().any(|kind| kind == CRATE_TYPE)
    }
}

impl Cargo {
    /// Finds the crate in `folder`, and checks that everything is there to build it.
    ///
    /// # Errors
    /// If there is no crate, none that gives a component, no cargo, or no standard library for the target: with what to do.
    pub(super) fn find(folder: &Path) -> anyhow::Result<Self> {
        let shown = folder.display();
        if !folder.join("Cargo.toml").is_file() {
            bail!(
                "there is no crate in {shown}: `warren component new NAME` starts one, `--path DIR` names its folder"
            );
        }
        let cargo = Self { folder: folder.canonicalize().with_context(|| format!("--path {shown}"))? };
        cargo.check_crate()?;
        cargo.check_target()?;
        Ok(cargo)
    }

    fn manifest(&self) -> PathBuf {
        self.folder.join("Cargo.toml")
    }

    /// Whether the folder has a crate of its own, and that gives a component.
    fn check_crate(&self) -> anyhow::Result<()> {
        let output = self.run(program("CARGO", "cargo"), &["metadata", "--format-version=1", "--no-deps"])?;
        let metadata: Metadata = serde_json::from_slice(&output).context("what `cargo metadata` printed")?;
        let manifest = self.manifest();
        let Some(package) = metadata.packages.iter().find(|package| package.manifest_path == manifest) else {
            let members: Vec<_> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
            let (shown, members) = (manifest.display(), members.join(", "));
            bail!("{shown} is a workspace and no crate: name the folder of one of its members with --path ({members})");
        };
        if !package.targets.iter().any(Target::is_component) {
            let (shown, name) = (manifest.display(), &package.name);
            bail!("the crate {name} gives no component; in {shown}: [lib] crate-type = [\"{CRATE_TYPE}\"]");
        }
        Ok(())
    }

    /// Whether there is a standard library for the target.
    fn check_target(&self) -> anyhow::Result<()> {
        let rustc = || program("RUSTC", "rustc");
        let Ok(output) = self.run(rustc(), &["--print", "target-libdir", "--target", TARGET]) else {
            let version = self.run(rustc(), &["--version"])?;
            let version = String::from_utf8_lossy(&version);
            bail!("{} does not know {TARGET}, Rust 1.82 and later do: rustup update", version.trim());
        };
        let libraries = PathBuf::from(String::from_utf8_lossy(&output).trim());
        if has_standard_library(&libraries) {
            return Ok(());
        }
        let folder = self.folder.display();
        match Command::new("rustup").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(_there) => {
                bail!("Rust's standard library for {TARGET} is not installed; in {folder}: rustup target add {TARGET}")
            }
            Err(_missing) => bail!(
                "Rust's standard library for {TARGET} is not in {}, and there is no rustup to install it: install the package of \
                 your system that has it; or, on Debian, run scripts/wasip2-target.sh of warren's source; or take Rust from \
                 https://rustup.rs and run `rustup target add {TARGET}`",
                libraries.display()
            ),
        }
    }

    /// Builds the crate, while cargo tells on stderr what it does; gives the component's file.
    ///
    /// # Errors
    /// If cargo can't build it: cargo has told why.
    pub(super) fn build(&self) -> anyhow::Result<PathBuf> {
        let mut cargo = Command::new(program("CARGO", "cargo"));
        cargo.args(["build", "--release", "--lib", "--target", TARGET, "--message-format=json-render-diagnostics"]);
        let mut child = cargo.current_dir(&self.folder).stdout(Stdio::piped()).spawn().map_err(no_program("cargo"))?;
        let stdout = child.stdout.take().context("cargo's stdout is a pipe")?;
        let manifest = self.manifest();
        let mut built = None;
        for line in BufReader::new(stdout).lines() {
            // Messages of other kinds have other fields.
            let Ok(artifact) = serde_json::from_str::<Artifact>(&line?) else { continue };
            let ours = artifact.reason == "compiler-artifact" && artifact.manifest_path == manifest;
            if ours && artifact.target.is_component() {
                let is_wasm = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
                built = artifact.filenames.into_iter().find(is_wasm).or(built);
            }
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("cargo could not build {} ({status}); what it wrote above says why", self.folder.display());
        }
        built.with_context(|| format!("cargo has built no component of {}", manifest.display()))
    }

    /// Runs a program in the crate's folder; gives what it printed.
    fn run(&self, program: OsString, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
        let name = program.to_string_lossy().into_owned();
        let output = Command::new(program).args(arguments).current_dir(&self.folder).output();
        let output = output.map_err(no_program(&name))?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            bail!("`{name} {}` failed: {}", arguments.join(" "), told.trim());
        }
        Ok(output.stdout)
    }
}

/// A program of Rust's: the one that the environment names, as cargo itself has it, else by its name.
fn program(variable: &str, name: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| name.into())
}

/// Why a program could not be run.
fn no_program(name: &str) -> impl Fn(io::Error) -> anyhow::Error {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => {
            anyhow::anyhow!(
                "there is no {name} on the PATH: install Rust (https://rustup.rs), then: rustup target add {TARGET}"
            )
        }
        _ => anyhow::Error::new(error).context(format!("{name} can't be run")),
    }
}

fn has_standard_library(folder: &Path) -> bool {
    let is_std = |name: OsString| name.to_string_lossy().starts_with("libstd-");
    fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(|entry| is_std(entry.file_name())))
}
