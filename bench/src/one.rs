//! One task in a process of its own, with an engine of its own: what `wasmtime run` does, with the code compiled beforehand.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use wasmtime::{Config, Engine, component::Component};

use crate::{Result, the_loop::sandbox};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The compiled component
    file: PathBuf,
}

/// Compiles `component` for [`execute`].
pub(crate) fn compile(component: &Path, into: &Path) -> Result<()> {
    let engine = Engine::new(&Config::new())?;
    let code = Component::from_file(&engine, component)?.serialize()?;
    Ok(std::fs::write(into, code)?)
}

pub(crate) fn execute(args: &Args) -> Result<()> {
    let mut payload = String::new();
    io::stdin().read_to_string(&mut payload)?;
    let sandbox = sandbox::Sandbox::of_compiled(&args.file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(sandbox.execute(&payload))??;
    Ok(io::stdout().write_all(result.as_bytes())?)
}
