//! `warren component`: start a component of your own, upload it, see what is there.

mod push;
mod show;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use bytesize::ByteSize;
use clap::Subcommand;
use event_driven::names::TaskName;
use serde_json::json;

use super::{output, settings};
use crate::{
    components::{ComponentStore, Digest},
    manifest,
};

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
    #[command(after_help = "Examples:\n  warren component list\n  warren component list --output json")]
    List(List),
    /// Show one component: its file, its limits and grants, and what its tasks used
    #[command(after_help = show::HELP)]
    Show(show::Args),
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

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    output: output::Output,
}

pub(super) async fn execute(file: Option<&Path>, command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(args) => new(args)?,
        Command::Push(args) => push::execute(file, args).await?,
        Command::List(args) => list(file, args).await?,
        Command::Show(args) => show::execute(file, args).await?,
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

async fn list(file: Option<&Path>, args: &List) -> anyhow::Result<()> {
    let config = settings::load(file, Vec::new())?.config;
    let store = ComponentStore::open(&config.components.url)?;
    let mut components = Vec::new();
    for stored in store.list().await? {
        let digest = Digest::of(&store.read(&stored).await?);
        components.push((stored, digest));
    }
    args.output.print(
        &["name", "size", "modified", "digest"],
        &components,
        |(stored, digest)| {
            let modified = stored.modified.format("%Y-%m-%d %H:%M:%SZ").to_string();
            vec![stored.name.to_string(), ByteSize(stored.size).to_string(), modified, digest.to_string()]
        },
        |(stored, digest)| {
            json!({ "name": stored.name.as_str(), "size_bytes": stored.size, "modified": stored.modified, "digest": digest.as_str() })
        },
    )?;
    Ok(())
}
