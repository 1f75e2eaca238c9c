//! From a file's bytes to machine code: compiled once, out of harm's way, and cached by digest.
//!
//! The bytes are a stranger's. What compiles them may be made to take any time and any memory, or to crash; so it is a
//! process of its own with limits (see [`ChildProcess`]), and what is left here is to bound what comes back.

mod child;
mod inside;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use bytesize::ByteSize;
use tokio::sync::Semaphore;
use wasmtime::{Engine, component::Component};

pub use self::{
    child::{ChildProcess, SUBCOMMAND},
    inside::{Inside, serve},
};
use super::{CompileCache, Digest, cache::EngineKey};

/// What bounds the compilation of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileLimits {
    /// The largest file that is taken for a component (`components.max_size`).
    pub max_size: ByteSize,
    /// Processor time, in whole seconds (`components.compile_time`).
    pub time: Duration,
    /// Address space (`components.compile_memory`).
    pub memory: ByteSize,
    /// The most machine code that one component may become (`components.memory`).
    pub max_code: ByteSize,
    /// Compilations at once (`components.compile_concurrency`).
    pub concurrency: usize,
}

/// Where components are compiled.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a process of its own for each, with limits: for whatever may be a stranger's.
    Child(ChildProcess),
    /// In this process and without limits, which a component can bring down: for tools and tests that compile their own.
    InProcess,
}

impl Place {
    fn at_once(&self) -> usize {
        match self {
            Self::Child(child) => child.limits().concurrency.max(1),
            Self::InProcess => Semaphore::MAX_PERMITS,
        }
    }
}

/// Files that are read from the cache at once.
const LOADS: usize = 4;

/// Compiles components for one engine.
#[derive(Clone)]
pub struct Compiler {
    engine: Engine,
    key: EngineKey,
    place: Place,
    cache: Option<CompileCache>,
    at_once: Arc<Semaphore>,
    /// Code that is read from the cache at once: each file may be as large as all that is kept ready.
    loads: Arc<Semaphore>,
}

/// Why a file could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It has more bytes than a component may have.
    #[error("it has {size}, a component has at most {largest} (setting components.max_size)")]
    TooLarge {
        /// What it has.
        size: ByteSize,
        /// The setting.
        largest: ByteSize,
    },
    /// It does not start as WebAssembly does.
    #[error("it is no WebAssembly (it starts with {start:02x?}, WebAssembly starts with 00 61 73 6d)")]
    NotWasm {
        /// Up to four bytes.
        start: Vec<u8>,
    },
    /// It is WebAssembly of the older kind.
    #[error(
        "it is a core module, not a component: compile it for wasm32-wasip2 (wasm32-unknown-unknown and wasm32-wasip1 give core modules)"
    )]
    CoreModule,
    /// It starts as a component and is none.
    #[error("it does not compile: {0}")]
    Invalid(String),
    /// It takes the compiler too long.
    #[error("compiling it takes more than {} of processor time (setting components.compile_time)", humantime::format_duration(*.0))]
    Time(Duration),
    /// It takes the compiler too much memory.
    #[error("compiling it takes more than {0} of memory (setting components.compile_memory)")]
    Memory(ByteSize),
    /// It becomes too much machine code.
    #[error("it becomes more than {0} of machine code, which is all that is kept ready (setting components.memory)")]
    Code(ByteSize),
    /// The compiler crashed on it.
    #[error("the compiler crashed on it: {0}")]
    Crashed(String),
    /// The compilation did not come to its end for a reason that need not lie in the component.
    #[error("it could not be compiled now: {0}")]
    Unfinished(String),
}

impl CompileError {
    /// Whether the same file may compile at another time.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unfinished(_) => true,
            Self::TooLarge { .. }
            | Self::NotWasm { .. }
            | Self::CoreModule
            | Self::Invalid(_)
            | Self::Time(_)
            | Self::Memory(_)
            | Self::Code(_)
            | Self::Crashed(_) => false,
        }
    }
}

impl Compiler {
    /// A compiler for `engine`, which compiles at `place`; without a cache it compiles everything at each start.
    pub fn new(engine: Engine, place: Place, cache: Option<CompileCache>) -> Self {
        Self {
            key: EngineKey::of(&engine),
            engine,
            at_once: Arc::new(Semaphore::new(place.at_once())),
            place,
            cache,
            loads: Arc::new(Semaphore::new(LOADS)),
        }
    }

    /// How many are compiled at once.
    pub(super) fn at_once(&self) -> usize {
        self.place.at_once()
    }

    /// Compiles a file, or takes what was compiled of the same bytes before. Dropping this ends the compilation.
    ///
    /// # Errors
    /// If the bytes are no component, or more than the limits allow.
    pub async fn compile(&self, bytes: Bytes) -> Result<(Digest, Component), CompileError> {
        self.check_size(bytes.len() as u64)?;
        check_header(&bytes)?;
        let digest = Digest::of_file(bytes.clone()).await;
        if let Some(component) = self.cached(&digest).await {
            return Ok((digest, component));
        }
        let code = match &self.place {
            Place::Child(child) => {
                let permit = self.at_once.acquire().await;
                let compiled = child.compile(&self.key, bytes).await;
                drop(permit);
                compiled?
            }
            Place::InProcess => {
                let engine = self.engine.clone();
                let compiled = blocking(move || engine.precompile_component(&bytes)).await?;
                compiled.map_err(|error| CompileError::Invalid(format!("{error:#}")))?
            }
        };
        let component = self.keep(&digest, code).await?;
        Ok((digest, component))
    }

    /// What was compiled of the file with this digest before, if it is in the cache and whole.
    pub async fn cached(&self, digest: &Digest) -> Option<Component> {
        let cache = self.cache.clone()?;
        let _place = self.loads.acquire().await;
        let (engine, key, digest) = (self.engine.clone(), self.key.clone(), digest.clone());
        blocking(move || cache.load(&engine, &key, &digest)).await.ok().flatten()
    }

    /// Whether a file of this size may be compiled: to be asked before it is read.
    ///
    /// # Errors
    /// If it is too large.
    pub fn check_size(&self, size: u64) -> Result<(), CompileError> {
        match &self.place {
            Place::Child(child) if size > child.limits().max_size.as_u64() => {
                Err(CompileError::TooLarge { size: ByteSize(size), largest: child.limits().max_size })
            }
            Place::Child(_) | Place::InProcess => Ok(()),
        }
    }

    /// Loads the code, and keeps it for the next time.
    async fn keep(&self, digest: &Digest, code: Vec<u8>) -> Result<Component, CompileError> {
        let (engine, key, cache, digest) = (self.engine.clone(), self.key.clone(), self.cache.clone(), digest.clone());
        let loaded = blocking(move || {
            // First, so that what can't be loaded is not kept.
            let component = load(&engine, &code)?;
            if let Some(cache) = cache {
                cache.keep(&key, &digest, &code);
            }
            Ok(component)
        });
        loaded
            .await?
            .map_err(|error: wasmtime::Error| CompileError::Unfinished(format!("its code can't be loaded: {error:#}")))
    }
}

#[allow(unsafe_code, reason = "wasmtime marks the loading of compiled code as unsafe")]
fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the code was made just now by wasmtime's own compiler, in this process or in a child that is this very
    // binary with an engine of the same configuration, and it came over a pipe that only the two have.
    unsafe { Component::deserialize(engine, code) }
}

/// Runs what takes its time where that holds up nothing.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CompileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| match error.is_panic() {
        true => CompileError::Crashed(error.to_string()),
        false => CompileError::Unfinished("the runtime stops".into()),
    })
}

/// The first eight bytes tell what a file is: the magic number, a version, and the layer (0 a module, 1 a component).
/// Source: the component model's binary format.
fn check_header(bytes: &[u8]) -> Result<(), CompileError> {
    match bytes.strip_prefix(b"\0asm") {
        None => Err(CompileError::NotWasm { start: bytes.iter().copied().take(4).collect() }),
        Some([1, 0, 0, 0, ..]) => Err(CompileError::CoreModule),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_told_by_its_first_bytes() {
        let told = |bytes: &[u8]| check_header(bytes).map_err(|error| error.to_string());
        assert_eq!(told(b"\0asm\x0d\0\x01\0"), Ok(()));
        assert!(told(b"\0asm\x01\0\0\0").unwrap_err().contains("core module"));
        assert!(told(b"\x7fELF\x02").unwrap_err().contains("starts with [7f, 45, 4c, 46]"));
        assert!(told(b"").unwrap_err().contains("no WebAssembly"));
    }
}
