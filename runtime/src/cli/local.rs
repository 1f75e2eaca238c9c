//! The sandbox of the runtime for one command: the same engine, limits and host interfaces, without broker, database and
//! service. What `component check`, `component push` and `task run` say of a component is what a runtime with these settings
//! would say.

use bytes::Bytes;
use wasmtime::component::Component;

use super::start;
use crate::{
    components::{CompileError, Compiler, Digest},
    config::Config,
    sandbox::{EngineSettings, Sandbox},
};

/// A sandbox with a place for one guest, and the compiler for its engine.
pub(super) struct Local {
    pub(super) sandbox: Sandbox,
    compiler: Compiler,
}

impl Local {
    /// Builds it by the settings. Compiled code is kept where the runtime keeps it, so that the next command is fast.
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let settings = start::engine_settings(config)?;
        let sandbox = Sandbox::new(&EngineSettings { concurrency: 1, ..settings })?;
        let place = start::compile_place(config)?;
        let compiler = Compiler::new(sandbox.engine().clone(), place, start::compile_cache(config));
        Ok(Self { sandbox, compiler })
    }

    /// Compiles a component's file, as a runtime does when it finds it.
    pub(super) async fn compile(&self, bytes: Bytes) -> Result<(Digest, Component), CompileError> {
        self.compiler.compile(bytes).await
    }
}
