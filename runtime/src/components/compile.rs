//! From a file's bytes to machine code: checked, compiled on a thread where it may take its time, cached by digest.

use bytes::Bytes;
use wasmtime::{Engine, component::Component};

use super::{CompileCache, Digest};

/// Compiles components for one engine.
#[derive(Clone)]
pub struct Compiler {
    engine: Engine,
    cache: Option<CompileCache>,
}

/// Why a file is no component that can be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
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
    Invalid(wasmtime::Error),
    /// The compiler itself failed.
    #[error("the compiler failed on it: {0}")]
    Panicked(tokio::task::JoinError),
}

impl Compiler {
    /// A compiler for `engine`; without a cache it compiles everything at each start.
    pub fn new(engine: Engine, cache: Option<CompileCache>) -> Self {
        Self { engine, cache }
    }

    /// Compiles a file, or takes what was compiled of the same bytes before.
    ///
    /// # Errors
    /// If the bytes are no component.
    pub async fn compile(&self, bytes: Bytes) -> Result<(Digest, Component), CompileError> {
        let compiler = self.clone();
        let compiled = tokio::task::spawn_blocking(move || compiler.compile_blocking(&bytes)).await;
        compiled.map_err(CompileError::Panicked)?
    }

    fn compile_blocking(&self, bytes: &[u8]) -> Result<(Digest, Component), CompileError> {
        check_header(bytes)?;
        let digest = Digest::of(bytes);
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, &digest)) {
            return Ok((digest, component));
        }
        let component = Component::from_binary(&self.engine, bytes).map_err(CompileError::Invalid)?;
        if let Some(cache) = &self.cache {
            cache.keep(&digest, &component);
        }
        Ok((digest, component))
    }
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
