//! Any bytes are compiled to a component that can be executed, or refused with a reason.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use warren::{
    components::{Compiler, Place},
    config::Config,
    sandbox::{EngineSettings, Sandbox},
};

static LOADER: LazyLock<(Runtime, Sandbox)> = LazyLock::new(|| {
    let settings = EngineSettings { concurrency: 1, threads: 1, max_memory: 1 << 20, stack: 512 << 10 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    (runtime, Sandbox::new(&settings).expect("a sandbox"))
});

fuzz_target!(|bytes: &[u8]| {
    let (runtime, sandbox) = &*LOADER;
    let compiler = Compiler::new(sandbox.engine().clone(), Place::InProcess, None);
    match runtime.block_on(compiler.compile(bytes.to_vec().into())) {
        Ok((_, component)) => {
            let manifest = Config::default().to_bounds().without_manifest();
            if let Err(error) = sandbox.prepare(&component, manifest) {
                assert!(!error.to_string().is_empty());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
