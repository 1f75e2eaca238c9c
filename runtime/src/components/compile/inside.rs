//! The child's side of a compilation: takes limits upon itself, reads a component, writes machine code.
//!
//! Runs as a process of its own, `warren compile-component`, started by [`super::ChildProcess`]: bytes on stdin until it
//! ends; on stdout the key of the engine, then the code. A component that does not compile is told on stdout as a text,
//! and by the exit code [`REFUSED`]; one that finds no memory by [`NO_MEMORY`], or by Rust's own end of the process.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
    time::Duration,
};

use bytesize::ByteSize;
use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
use wasmtime::{Engine, OutOfMemory};

use crate::components::cache::EngineKey;

/// The exit code of a compilation that was refused; stdout has the reason.
pub(super) const REFUSED: u8 = 3;

/// The exit code of a compilation that was told that there is no more memory.
pub(super) const NO_MEMORY: u8 = 4;

/// Open files that it may have: the three that it is given, and what the system's libraries open for a moment.
const OPEN_FILES: u64 = 16;

/// By how much it steps back behind the service and all its guests, also those that compute for long.
const NICE: i32 = 15;

/// What the process takes upon itself.
#[derive(Debug, Clone, Copy)]
pub struct Inside {
    /// Processor time.
    pub time: Duration,
    /// Address space.
    pub memory: ByteSize,
}

/// Takes the limits upon itself, then compiles what is on stdin to stdout. `engine` is made within the limits.
///
/// # Errors
/// If the limits can't be taken, the engine can't be made, or a pipe breaks: then nothing was compiled.
pub fn serve(limits: Inside, engine: impl FnOnce() -> wasmtime::Result<Engine>) -> io::Result<ExitCode> {
    take(limits)?;
    let engine = engine().map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    match io::stdin().lock().read_to_end(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => return Ok(ExitCode::from(NO_MEMORY)),
        read => read?,
    };
    let compiled = engine.precompile_component(&bytes);
    let mut stdout = io::stdout().lock();
    let code = match compiled {
        Ok(code) => {
            stdout.write_all(EngineKey::of(&engine).as_bytes())?;
            stdout.write_all(&code)?;
            ExitCode::SUCCESS
        }
        Err(error) if error.is::<OutOfMemory>() => ExitCode::from(NO_MEMORY),
        Err(error) => {
            write!(stdout, "{error:#}")?;
            ExitCode::from(REFUSED)
        }
    };
    stdout.flush()?;
    Ok(code)
}

fn take(limits: Inside) -> io::Result<()> {
    // Where memory runs short this process is to be killed, and not the service. Only Linux can be told so.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let seconds = limits.time.as_secs().max(1);
    let at_most = |value: u64| Rlimit { current: Some(value), maximum: Some(value) };
    for (resource, limit) in [
        // The first is told by a signal of its own, SIGXCPU; the second ends what would not hear that.
        (Resource::Cpu, Rlimit { current: Some(seconds), maximum: Some(seconds + 1) }),
        (Resource::As, at_most(limits.memory.as_u64())),
        (Resource::Fsize, at_most(0)),
        (Resource::Core, at_most(0)),
        (Resource::Nofile, at_most(OPEN_FILES)),
    ] {
        // No more than whoever started the service allows.
        let within = |value: Option<u64>| [value, getrlimit(resource).maximum].into_iter().flatten().min();
        setrlimit(resource, Rlimit { current: within(limit.current), maximum: within(limit.maximum) })?;
    }
    // Not a limit: without it, it is merely less polite.
    let _ = nice(NICE);
    Ok(())
}
