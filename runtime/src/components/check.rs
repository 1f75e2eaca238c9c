//! The check at the door: whether bytes are a component that could be executed here, before they are stored or loaded.
//!
//! One function, for all doors: the command line, the upload over HTTP, and the check that stores nothing. It does what a
//! load does, in the same order, so that what it lets pass can be loaded.

use bytes::Bytes;
use wasmtime::component::Component;

use super::{CompileError, Compiler, Digest, Prepare};

/// What a component was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The hash of its bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// What it imports, by full name, in the component's order. All of it is provided; what a guest may reach by it is
    /// another matter, which its manifest decides.
    pub imports: Vec<String>,
}

/// Why a component could not be executed here.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It does not compile, or not within the limits.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Its manifest, its imports or its exports are not what is provided or allowed here; why.
    #[error("{0}")]
    Unfit(String),
}

/// Checks a component and its manifest. The manifest first: that costs nothing.
///
/// An import is not a grant, and toolchains import the whole world whatever the code uses of it: what is imported and not
/// granted is no reason to refuse.
///
/// # Errors
/// If it could not be executed.
pub async fn check<P>(
    compiler: &Compiler,
    prepare: &Prepare<P>,
    bytes: Bytes,
    manifest: Option<&str>,
) -> Result<Checked, Refused> {
    let link = prepare(None, manifest).map_err(Refused::Unfit)?;
    let size = bytes.len() as u64;
    let (digest, component) = compiler.compile(bytes).await?;
    link(&component).map_err(Refused::Unfit)?;
    Ok(Checked { digest, size, imports: imports(&component) })
}

/// The names of all that a component imports, in its own order.
pub fn imports(component: &Component) -> Vec<String> {
    component.component_type().imports(component.engine()).map(|(name, _)| name.to_owned()).collect()
}
