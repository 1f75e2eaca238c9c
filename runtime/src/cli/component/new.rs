//! `warren component new`: the crate of a new component, which builds as it is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::ValueEnum;
use event_driven::names::TaskName;

use super::build;
use crate::cli::output;

pub(super) const HELP: &str = "\
Examples:
  warren component new resize
  warren component new resize --sdk ../warren/tasks-wasm/sdk";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The component's name, under which tasks ask for it
    name: TaskName,
    /// The language that it is written in
    #[arg(long, value_enum, default_value_t = Lang::Rust)]
    lang: Lang,
    /// Where the crate `warren-task` lies. Without it: `tasks-wasm/sdk` of the checkout around this folder
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// A language that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    Rust,
}

/// The files of a new crate. `{{name}}` and `{{warren_task}}` are filled in.
const RUST: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("../../../../tasks-wasm/template/Cargo.toml")),
    ("src/lib.rs", include_str!("../../../../tasks-wasm/template/src/lib.rs")),
    (build::MANIFEST, include_str!("../../../../tasks-wasm/template/component.toml")),
    ("README.md", include_str!("../../../../tasks-wasm/template/README.md")),
    (".gitignore", include_str!("../../../../tasks-wasm/template/.gitignore")),
];

pub(super) fn execute(args: &Args) -> anyhow::Result<()> {
    let name = args.name.as_str();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.contains('.') {
        bail!("{name} can't be the name of a crate: begin with a small letter, and use no dot");
    }
    let folder = Path::new(name);
    if folder.exists() {
        bail!("{name} is there already");
    }
    match args.lang {
        Lang::Rust => write_rust(name, folder, args.sdk.as_deref())?,
    }
    let (task, payload) = (task_of(name), r#"--payload '{"who":"world"}'"#);
    let file = format!("{name}/target/{}/release/{task}.wasm", build::TARGET);
    output::print_text(&format!(
        "{name}/ is a component that works. Next:\n  warren component build --path {name}\n  \
         warren task run {file} {payload}\n  warren component push {file}\n  \
         warren task publish {task} {payload} --wait    # where `warren dev` runs"
    ))?;
    Ok(())
}

fn write_rust(name: &str, folder: &Path, sdk: Option<&Path>) -> anyhow::Result<()> {
    let sdk = match sdk {
        Some(sdk) => Some(sdk.canonicalize().with_context(|| format!("--sdk {}", sdk.display()))?),
        None => surrounding_sdk()?,
    };
    // Its name on a registry of crates might be anybody's.
    let sdk = sdk.context(
        "the crate warren-task is not published yet: be in a checkout of warren, or name its folder with --sdk (tasks-wasm/sdk)",
    )?;
    let dependency = format!("{{ path = {:?} }}", sdk.display().to_string());
    for (path, text) in RUST {
        let path = folder.join(path);
        let text = text.replace("{{name}}", name).replace("{{task}}", &task_of(name));
        let text = text.replace("{{warren_task}}", &dependency);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))?;
    }
    Ok(())
}

/// The name under which tasks ask for it: that of the file that Cargo makes of a crate.
fn task_of(name: &str) -> String {
    name.replace('-', "_")
}

/// `tasks-wasm/sdk` of this folder or of one around it.
fn surrounding_sdk() -> io::Result<Option<PathBuf>> {
    let here = std::env::current_dir()?;
    Ok(here.ancestors().map(|folder| folder.join("tasks-wasm/sdk")).find(|sdk| sdk.join("Cargo.toml").is_file()))
}
