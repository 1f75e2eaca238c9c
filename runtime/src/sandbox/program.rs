//! A component made executable: its imports are resolved once, so that a task only pays for the instance.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{
    Engine, Store,
    component::{Component, HasSelf, Linker, types::ComponentItem},
};

use super::{bindings, disk, engine::EngineError, granted::Granted, guest::Guest};
use crate::manifest::{Manifest, SecretError};

/// A component with its imports resolved, and what its manifest lets it have.
pub struct Program {
    pre: bindings::GuestPre<Guest>,
    manifest: Manifest,
    granted: Granted,
    /// Executions of it that may be begun.
    places: Arc<Semaphore>,
}

/// Why a component can't be executed here.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It imports an interface of another world.
    #[error("it imports {import}, which warren does not provide (it provides warren:task 0.1 and WASI 0.2)")]
    UnknownImport {
        /// The import's name as it stands in the component.
        import: String,
    },
    /// It imports something of ours, in a form that does not fit.
    #[error("its imports don't fit what warren provides: {0}")]
    Imports(wasmtime::Error),
    /// It has no `execute`.
    #[error(
        "it exports no `execute` (it exports: {exports}); a task exports `execute: func(payload: string) -> result<string, failure>` of warren:task"
    )]
    NoExecute {
        /// What it exports.
        exports: String,
    },
    /// Its `execute` has other types.
    #[error("its export `execute` is not `func(payload: string) -> result<string, failure>` of warren:task: {0}")]
    OtherExecute(wasmtime::Error),
    /// A secret that it is granted can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl Program {
    pub(super) fn new(linker: &Linker<Guest>, component: &Component, manifest: Manifest) -> Result<Self, ProgramError> {
        check_names(component)?;
        let pre = linker.instantiate_pre(component).map_err(ProgramError::Imports)?;
        let pre = bindings::GuestPre::new(pre).map_err(ProgramError::OtherExecute)?;
        let places = Arc::new(Semaphore::new(manifest.limits.concurrency as usize));
        let granted = Granted::new(&manifest)?;
        Ok(Self { pre, manifest, granted, places })
    }

    /// What its manifest lets it have.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn granted(&self) -> &Granted {
        &self.granted
    }

    /// Whether one more of it may be executed now.
    pub fn has_place(&self) -> bool {
        self.places.available_permits() > 0
    }

    /// Waits until one more of it may be executed. Cancel-safe.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    pub(super) fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    pub(super) async fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<bindings::Guest> {
        self.pre.instantiate_async(store).await
    }
}

/// Refuses by name what the linker would refuse by type, with a message that can be acted upon.
fn check_names(component: &Component) -> Result<(), ProgramError> {
    let ty = component.component_type();
    let unknown = ty
        .imports(component.engine())
        .map(|(name, _)| name.to_owned())
        .find(|name| !name.starts_with("warren:task/") && !name.starts_with("wasi:"));
    if let Some(import) = unknown {
        return Err(ProgramError::UnknownImport { import });
    }
    let exports: Vec<_> = ty.exports(component.engine()).collect();
    let executes =
        exports.iter().any(|(name, export)| *name == "execute" && matches!(export.ty, ComponentItem::ComponentFunc(_)));
    if executes {
        return Ok(());
    }
    let exports = exports.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    Err(ProgramError::NoExecute { exports: if exports.is_empty() { "nothing".into() } else { exports } })
}

/// Everything that a guest may import.
pub(super) fn linker(engine: &Engine) -> Result<Linker<Guest>, EngineError> {
    let mut linker = Linker::new(engine);
    bindings::Guest::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)
        .and_then(|()| wasmtime_wasi::p2::add_to_linker_async(&mut linker))
        .and_then(|()| disk::add_to_linker(&mut linker))
        .and_then(|()| wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker))
        .map_err(EngineError::Linker)?;
    Ok(linker)
}
