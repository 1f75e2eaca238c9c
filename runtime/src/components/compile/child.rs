//! The parent's side of a compilation: starts the child, hands it the bytes, bounds what comes back.
//!
//! The child is this very binary. It gets no environment of ours, no argument that is the component's, and no file but its three
//! pipes; it is killed when its time is over, when it says too much, or when nobody waits for it any more.

use std::{
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use bytes::Bytes;
use rustix::process::Signal;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use super::{
    CompileError, CompileLimits,
    inside::{NO_MEMORY, REFUSED},
};
use crate::components::cache::EngineKey;

/// The subcommand of the binary that compiles. It is hidden, and nobody's to call but ours.
pub const SUBCOMMAND: &str = "compile-component";

/// The clock on the wall may show so many times the processor time, and a minute at least: the machine has other things to
/// do, and they come first.
const PATIENCE: (u32, Duration) = (10, Duration::from_secs(60));

/// The allocator reserves a gigabyte of addresses before anything else, for fewer calls of the system: here they are what is
/// bounded, and what it has reserved it would use beyond the limit. Source: mimalloc's `mi_option_arena_reserve`.
const WITHOUT_RESERVE: [(&str, &str); 1] = [("MIMALLOC_ARENA_RESERVE", "0")];

/// The exit code of a command that has failed, as of any other of this binary.
const FAILED: i32 = 1;

/// What is kept of a text that the child says, in bytes.
const TEXT: usize = 2000;

/// What Rust's runtime says when memory is refused to what can't do without. There is no other sign of it.
const OUT_OF_MEMORY: &str = "memory allocation of";

/// How to start a child that compiles.
#[derive(Debug, Clone)]
pub struct ChildProcess {
    program: PathBuf,
    stack: usize,
    limits: CompileLimits,
}

impl ChildProcess {
    /// `program` is a binary of warren, `stack` that of guests, for which code is compiled.
    pub fn new(program: PathBuf, stack: usize, limits: CompileLimits) -> Self {
        Self { program, stack, limits }
    }

    /// The binary that runs here.
    ///
    /// # Errors
    /// If the system does not tell which one that is.
    pub fn of_this_binary(stack: usize, limits: CompileLimits) -> io::Result<Self> {
        // Where there is one, this link is the binary that runs, even after another was put in its place.
        let link = Path::new("/proc/self/exe");
        let program = if link.exists() { link.to_owned() } else { std::env::current_exe()? };
        Ok(Self::new(program, stack, limits))
    }

    pub(super) fn limits(&self) -> &CompileLimits {
        &self.limits
    }

    /// Compiles, for an engine with this key. Cancel-safe: the child is killed.
    pub(super) async fn compile(&self, key: &EngineKey, bytes: Bytes) -> Result<Vec<u8>, CompileError> {
        let unfinished = |error: io::Error| CompileError::Unfinished(format!("the process that compiles: {error}"));
        let mut child = self.start().map_err(unfinished)?;
        // It is killed as it is dropped, whichever way this ends.
        let wall = (self.limits.time * PATIENCE.0).max(PATIENCE.1);
        let Said { status, stdout, stderr } = match tokio::time::timeout(wall, self.talk(&mut child, bytes)).await {
            Ok(said) => said.map_err(unfinished)?,
            Err(_elapsed) => {
                let wall = humantime::format_duration(wall);
                return Err(CompileError::Unfinished(format!(
                    "it took longer than {wall} on this machine, which is busy"
                )));
            }
        };
        if stdout.len() as u64 > self.limits.max_code.as_u64() {
            return Err(CompileError::Code(self.limits.max_code));
        }
        match status {
            status if status.success() => unwrapped(key, stdout),
            status if status.code() == Some(i32::from(REFUSED)) => Err(CompileError::Invalid(text(&stdout))),
            status if status.code() == Some(i32::from(NO_MEMORY)) => Err(CompileError::Memory(self.limits.memory)),
            status => Err(self.died(status, &text(&stderr))),
        }
    }

    fn start(&self) -> io::Result<Child> {
        Command::new(&self.program)
            .arg0("warren")
            .arg(SUBCOMMAND)
            .args(["--stack", &self.stack.to_string()])
            .args(["--time", &self.limits.time.as_secs().to_string()])
            .args(["--memory", &self.limits.memory.as_u64().to_string()])
            .env_clear()
            .envs(WITHOUT_RESERVE)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    /// Hands over the bytes and hears what is said. All at once: either side's pipe may be full.
    async fn talk(&self, child: &mut Child, bytes: Bytes) -> io::Result<Said> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let write = async {
            if let Some(mut stdin) = stdin {
                // One that does not read to the end says or shows why.
                let _ = stdin.write_all(&bytes).await;
            }
        };
        let most =
            usize::try_from(self.limits.max_code.as_u64()).unwrap_or(usize::MAX).saturating_add(EngineKey::LENGTH);
        let ((), stdout, stderr) = tokio::join!(write, up_to(most, stdout), up_to(TEXT, stderr));
        // One that was not heard to the end can't write any more, and ends.
        Ok(Said { status: child.wait().await?, stdout: stdout?, stderr: stderr? })
    }

    /// What a death means.
    fn died(&self, status: ExitStatus, stderr: &str) -> CompileError {
        use std::os::unix::process::ExitStatusExt;
        match status.signal() {
            Some(signal) if signal == Signal::XCPU.as_raw() => CompileError::Time(self.limits.time),
            Some(signal) if signal == Signal::ABORT.as_raw() && stderr.contains(OUT_OF_MEMORY) => {
                CompileError::Memory(self.limits.memory)
            }
            // By a person, or by the system when its memory ran out: that need not be the component's fault.
            Some(signal) if signal == Signal::KILL.as_raw() || signal == Signal::TERM.as_raw() => {
                CompileError::Unfinished(
                    "the process that compiles was killed; see whether the machine is short of memory".into(),
                )
            }
            // It says so itself: nothing was compiled.
            None if status.code() == Some(FAILED) => {
                CompileError::Unfinished(format!("the process that compiles: {stderr}"))
            }
            Some(_) | None if stderr.is_empty() => CompileError::Crashed(status.to_string()),
            Some(_) | None => CompileError::Crashed(format!("{status}, {stderr}")),
        }
    }
}

struct Said {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Reads to the end, or one byte more than `most`.
async fn up_to(most: usize, pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take((most as u64).saturating_add(1)).read_to_end(&mut said).await?;
    }
    Ok(said)
}

/// The code, without the key in front of it, which has to be ours: else it was compiled for something else.
fn unwrapped(key: &EngineKey, mut stdout: Vec<u8>) -> Result<Vec<u8>, CompileError> {
    if !stdout.starts_with(key.as_bytes()) {
        let text = "the process that compiles has another engine than this one: it is of another version of warren";
        return Err(CompileError::Unfinished(text.into()));
    }
    stdout.drain(..EngineKey::LENGTH);
    Ok(stdout)
}

/// A text of a child's, which repeats what a stranger wrote: on one line, and not too long.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..TEXT).unwrap_or(bytes));
    let plain: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain
}
