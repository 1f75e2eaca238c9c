//! A component made executable: its imports are resolved once, so that a task only pays for the instance.

use std::sync::Arc;

use event_driven::names::Priority;
use semver::Version;
use wasmtime::{
    Engine, Store,
    component::{Component, HasSelf, Linker, types::ComponentItem},
};

use super::{
    bindings,
    brief::Brevity,
    context::bounded,
    disk,
    engine::EngineError,
    granted::Granted,
    guest::Guest,
    slots::{Place, Slots},
};
use crate::manifest::{Manifest, SecretError};

/// Our package, as `wit/task.wit` has it.
const PACKAGE: &str = "warren:task";

/// Its version.
const PROVIDED: Version = Version::new(0, 1, 0);

/// A component with its imports resolved, and the terms on which it is executed.
pub struct Program {
    pre: bindings::GuestPre<Guest>,
    terms: Arc<Terms>,
}

/// What a manifest lets a component have. Apart from the code, which may be let go and loaded again: those that run are
/// counted here all the same.
pub(super) struct Terms {
    manifest: Manifest,
    pub(super) granted: Granted,
    /// Executions that may be begun; other versions of the component may take some of them.
    places: Arc<Slots>,
    brevity: Arc<Brevity>,
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
    /// It was built against a later version of our package.
    #[error(
        "it imports {import}, this runtime provides {PACKAGE}@{provided}: build it against that version, or update the runtime"
    )]
    NewerInterface {
        /// The import's name as it stands in the component.
        import: String,
        /// The version of the package that is provided.
        provided: Version,
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

impl Terms {
    /// Reads the secrets that are granted.
    ///
    /// # Errors
    /// If one can't be had.
    pub(super) fn new(manifest: Manifest, places: Arc<Slots>) -> Result<Self, SecretError> {
        let granted = Granted::new(&manifest)?;
        let brevity = Arc::new(Brevity::of(&manifest));
        Ok(Self { manifest, granted, places, brevity })
    }
}

impl Program {
    pub(super) fn new(linker: &Linker<Guest>, component: &Component, terms: Arc<Terms>) -> Result<Self, ProgramError> {
        Ok(Self { pre: fit(linker, component)?, terms })
    }

    /// What its manifest lets it have.
    pub fn manifest(&self) -> &Manifest {
        &self.terms.manifest
    }

    pub(super) fn terms(&self) -> &Arc<Terms> {
        &self.terms
    }

    pub(super) fn brevity(&self) -> &Arc<Brevity> {
        &self.terms.brevity
    }

    /// Whether the execution on a payload of so many bytes will be brief and can do nothing but compute, as far as one can tell.
    pub fn is_brief(&self, payload: usize) -> bool {
        self.brevity().expects(payload)
    }

    /// Whether one more of it may be executed now.
    pub fn has_place(&self) -> bool {
        self.terms.places.has_place()
    }

    /// Waits until one more of it may be executed, for a task of this class. Cancel-safe.
    pub(super) async fn place(&self, class: Priority) -> Option<Place> {
        self.terms.places.place(class).await
    }

    pub(super) fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    pub(super) async fn instantiate(&self, store: &mut Store<Guest>) -> wasmtime::Result<bindings::Guest> {
        self.pre.instantiate_async(store).await
    }
}

/// Resolves what a component imports, and looks whether it exports what a task has to.
pub(super) fn fit(linker: &Linker<Guest>, component: &Component) -> Result<bindings::GuestPre<Guest>, ProgramError> {
    check_names(component)?;
    let pre = linker.instantiate_pre(component).map_err(ProgramError::Imports)?;
    bindings::GuestPre::new(pre).map_err(ProgramError::OtherExecute)
}

/// How many exports are named where the one that counts is missing.
const SHOWN_EXPORTS: usize = 10;

/// Refuses by name what the linker would refuse by type, with a message that can be acted upon.
fn check_names(component: &Component) -> Result<(), ProgramError> {
    let ty = component.component_type();
    if let Some((name, _)) = ty.imports(component.engine()).find(|(name, _)| is_newer(name)) {
        return Err(ProgramError::NewerInterface { import: name.to_owned(), provided: PROVIDED });
    }
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
    let exports = exports.iter().take(SHOWN_EXPORTS).map(|(name, _)| bounded((*name).to_owned()));
    let exports = exports.collect::<Vec<_>>().join(", ");
    Err(ProgramError::NoExecute { exports: if exports.is_empty() { "nothing".into() } else { exports } })
}

/// Whether this is an interface of our package, of a later version than the one that is provided. The linker takes it for
/// the one that is provided if only the last number differs, and that may lack what the component counts on. Of earlier
/// versions, it takes those that are compatible (the same first number, or the same second one after a 0).
fn is_newer(import: &str) -> bool {
    let version =
        import.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix('/')).and_then(|rest| rest.split_once('@'));
    version.and_then(|(_, version)| Version::parse(version).ok()).is_some_and(|version| version > PROVIDED)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_provided_is_that_of_the_package() {
        let wit = include_str!("../../../wit/task.wit");
        assert!(wit.contains(&format!("package {PACKAGE}@{PROVIDED};")), "{PROVIDED}");
    }

    #[test]
    fn only_later_versions_of_our_own_package_are_newer() {
        for newer in ["warren:task/context@0.1.1", "warren:task/types@0.2.0", "warren:task/context@1.0.0"] {
            assert!(is_newer(newer), "{newer}");
        }
        for not_newer in [
            "warren:task/context@0.1.0",
            "warren:task/context@0.0.9",
            "warren:task/context",
            "wasi:cli/exit@9.0.0",
            "warren:tasks/x@9.0.0",
        ] {
            assert!(!is_newer(not_newer), "{not_newer}");
        }
    }
}
