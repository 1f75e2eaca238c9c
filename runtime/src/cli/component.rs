//! `warren component`: start a component of your own, upload it, see what is there, go back to an older version.

mod list;
mod push;
mod remove;
mod show;
mod use_version;
mod versions;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::Subcommand;
use event_driven::names::TaskName;

use super::output;
use crate::manifest;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write the crate of a new component into a folder of its name
    #[command(
        after_help = "Examples:\n  warren component new resize\n  warren component new resize --sdk ../warren/tasks-wasm/sdk"
    )]
    New(New),
    /// Check a component and put it where the runtimes find it
    #[command(after_help = push::HELP)]
    Push(push::Args),
    /// List the components that are there
    #[command(after_help = list::HELP)]
    List(list::Args),
    /// Show one component: its file, its limits and grants, and what its tasks used
    #[command(after_help = show::HELP)]
    Show(show::Args),
    /// List the versions of a component
    #[command(after_help = versions::HELP)]
    Versions(versions::Args),
    /// Make another version of a component the current one, as to go back to an older one
    #[command(after_help = use_version::HELP)]
    Use(use_version::Args),
    /// Take a component away; its versions stay
    #[command(after_help = remove::HELP)]
    Remove(remove::Args),
    /// Print the JSON schema of a manifest, for editors
    #[command(after_help = "Examples:\n  warren component schema > manifest.schema.json")]
    Schema,
}

#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// The component's name, under which tasks ask for it
    name: TaskName,
    /// Where the crate `warren-task` lies. Without it: `tasks-wasm/sdk` of the checkout around this folder, else the
    /// released version
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

pub(super) async fn execute(file: Option<&Path>, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(args) => new(args)?,
        Command::Push(args) => push::execute(file, args).await?,
        Command::List(args) => list::execute(file, args).await?,
        Command::Show(args) => show::execute(file, args).await?,
        Command::Versions(args) => versions::execute(file, args).await?,
        Command::Use(args) => use_version::execute(file, args).await?,
        Command::Remove(args) => remove::execute(file, args).await?,
        Command::Schema => output::print_json(manifest::schema().as_value())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The files of a new crate. `{{name}}` and `{{warren_task}}` are filled in.
const TEMPLATE: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("../../../tasks-wasm/template/Cargo.toml")),
    ("src/lib.rs", include_str!("../../../tasks-wasm/template/src/lib.rs")),
    ("README.md", include_str!("../../../tasks-wasm/template/README.md")),
    (".gitignore", include_str!("../../../tasks-wasm/template/.gitignore")),
];

fn new(args: &New) -> anyhow::Result<()> {
    let name = args.name.as_str();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.contains('.') {
        bail!("{name} can't be the name of a crate: begin with a small letter, and use no dot");
    }
    let folder = Path::new(name);
    if folder.exists() {
        bail!("{name} is there already");
    }
    let sdk = match &args.sdk {
        Some(sdk) => Some(sdk.canonicalize().with_context(|| format!("--sdk {}", sdk.display()))?),
        None => surrounding_sdk()?,
    };
    let dependency = match sdk {
        Some(sdk) => format!("{{ path = {:?} }}", sdk.display().to_string()),
        None => format!("{:?}", env!("CARGO_PKG_VERSION")),
    };
    for (path, text) in TEMPLATE {
        let path = folder.join(path);
        let text = text.replace("{{name}}", name).replace("{{warren_task}}", &dependency);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))?;
    }
    let file = name.replace('-', "_");
    output::print_text(&format!(
        "{name}/ is a component that works. Next:\n  cargo build --release --target wasm32-wasip2 --manifest-path {name}/Cargo.toml\n  \
         warren component push {name}/target/wasm32-wasip2/release/{file}.wasm\n  \
         warren task publish {file} --payload '{{\"who\":\"world\"}}' --wait"
    ))?;
    Ok(())
}

/// `tasks-wasm/sdk` of this folder or of one around it.
fn surrounding_sdk() -> io::Result<Option<PathBuf>> {
    let here = std::env::current_dir()?;
    Ok(here.ancestors().map(|folder| folder.join("tasks-wasm/sdk")).find(|sdk| sdk.join("Cargo.toml").is_file()))
}
