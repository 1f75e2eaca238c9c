//! Runs a component on a payload and reports the [`Outcome`].
//!
//! Third step of a task's way: `components` found the code, `lifecycle` will record what comes out. Promises: each
//! execution has a store and an instance of its own, so nothing leaks from one task to the next (invariant 3); time,
//! memory, output and log are bounded (invariant 4); a guest that computes is made to yield, and guests run on threads
//! of their own, so that none delays another one or the service.

mod bindings;
mod context;
mod engine;
mod executor;
mod guest;
mod guest_log;
mod limits;
mod program;

use std::{sync::Arc, time::Duration};

use event_driven::message::JsonText;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub use self::{
    context::TaskInfo,
    engine::{EngineError, EngineSettings},
    limits::Limits,
    program::{Program, ProgramError},
};
use self::{engine::EpochTicker, executor::Executor, guest::Guest, limits::MemoryLimit};
use crate::outcome::{ErrorClass, Failure, Outcome};

/// The one engine, the threads that guests run on, and the places for guests.
pub struct Sandbox {
    engine: wasmtime::Engine,
    linker: wasmtime::component::Linker<Guest>,
    executor: Executor,
    /// A permit is an instance slot of the pooling allocator; it moves with the execution.
    slots: Arc<Semaphore>,
    interrupted: CancellationToken,
    _ticker: EpochTicker,
}

/// One execution: who asks, what for, within which bounds.
pub struct Call {
    /// What the guest may know about the task.
    pub info: TaskInfo,
    /// The JSON text that is handed to the guest.
    pub payload: String,
    /// What bounds this execution.
    pub limits: Limits,
}

/// A place for one guest; given back when it is dropped.
pub struct Slot(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Sandbox {
    /// Builds the engine and starts its threads.
    ///
    /// # Errors
    /// If the engine can't be built with these settings (too little address space, threads that can't be started).
    pub fn new(settings: &EngineSettings) -> Result<Self, EngineError> {
        let engine = engine::build(settings)?;
        let linker = program::linker(&engine)?;
        Ok(Self {
            linker,
            executor: Executor::new(settings.threads)?,
            slots: Arc::new(Semaphore::new(settings.concurrency as usize)),
            interrupted: CancellationToken::new(),
            _ticker: EpochTicker::start(&engine)?,
            engine,
        })
    }

    /// The engine that components have to be compiled for.
    pub fn engine(&self) -> &wasmtime::Engine {
        &self.engine
    }

    /// Makes a compiled component executable: checks its imports and its export, and resolves them once.
    ///
    /// # Errors
    /// If it imports what is not provided, or does not export `execute` with our types.
    pub fn prepare(&self, component: &wasmtime::component::Component) -> Result<Program, ProgramError> {
        Program::new(&self.linker, component)
    }

    /// [`Sandbox::prepare`] as a function of its own, for the registry of components to call.
    pub fn preparer(
        &self,
    ) -> impl Fn(&wasmtime::component::Component) -> Result<Program, String> + Send + Sync + use<> {
        let linker = self.linker.clone();
        move |component: &_| Program::new(&linker, component).map_err(|error| error.to_string())
    }

    /// Waits for a place to execute a guest in. `None` once the sandbox was interrupted. Cancel-safe.
    pub async fn slot(&self) -> Option<Slot> {
        self.slots.clone().acquire_owned().await.ok().map(Slot)
    }

    /// Executes `program` in `slot`. Never panics, and takes no longer than the timeout.
    ///
    /// An execution whose caller is gone ends at its own limits.
    pub async fn execute(&self, slot: Slot, program: Arc<Program>, call: Call) -> Outcome {
        let interrupted = self.interrupted.clone();
        let running = self.executor.spawn(async move {
            // Both branches may drop the guest's fiber at a point where it yields: what it had done is discarded,
            // which is what a timeout and an interruption are. `biased`, so that a guest that ends in its first poll
            // (most do) never touches the shared token.
            let outcome = tokio::select! {
                biased;
                outcome = run(&program, call) => outcome,
                () = interrupted.cancelled() => Outcome::Interrupted,
            };
            drop(slot);
            outcome
        });
        match running.await {
            Ok(outcome) => outcome,
            Err(panic) if panic.is_panic() => {
                tracing::error!(%panic, "the sandbox panicked while it ran a guest");
                failed(ErrorClass::Trap, "the sandbox itself failed while it ran this component; see the runtime's log")
            }
            Err(_cancelled) => Outcome::Interrupted,
        }
    }

    /// Interrupts every running guest; their outcome is [`Outcome::Interrupted`], and that of every later call too.
    pub fn interrupt(&self) {
        self.interrupted.cancel();
        self.slots.close();
    }
}

/// Instantiates and calls, within the time limit. The epoch makes the guest yield, so the timeout is seen in time.
async fn run(program: &Program, call: Call) -> Outcome {
    let Call { info, payload, limits } = call;
    match tokio::time::timeout(limits.timeout, call_guest(program, info, payload, &limits)).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => failed(ErrorClass::Timeout, ran_too_long(limits.timeout)),
    }
}

async fn call_guest(program: &Program, info: TaskInfo, payload: String, limits: &Limits) -> Outcome {
    let mut store = guest::store(program.engine(), info, limits);
    let answer = match program.instantiate(&mut store).await {
        Ok(instance) => instance.call_execute(&mut store, &payload).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(Ok(result)) => check_result(result, limits),
        Ok(Err(failure)) => Outcome::Failed(failure.into()),
        Err(error) => Outcome::Failed(tell_trap(&error, store.data())),
    }
}

/// A result must be JSON, and no larger than its limit.
fn check_result(result: String, limits: &Limits) -> Outcome {
    let limit = limits.output.as_u64();
    if result.len() as u64 > limit {
        let text = format!("the result has {} bytes, its limit is {limit} (sandbox.output)", result.len());
        return failed(ErrorClass::OutputTooLarge, text);
    }
    match JsonText::new(&result) {
        Ok(_) => Outcome::Completed(result),
        Err(error) => failed(ErrorClass::BadOutput, format!("the result {error}")),
    }
}

/// Tells why a guest ended without an answer: memory, if that was refused before, else the trap and its last words.
fn tell_trap(error: &wasmtime::Error, guest: &Guest) -> Failure {
    if let Some(MemoryLimit { limit, asked }) = guest.memory_refused() {
        let text = format!("asked for {asked} bytes of memory, its limit is {limit} (sandbox.memory)");
        return Failure::new(ErrorClass::OutOfMemory, text);
    }
    let cause = match error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        Some(exit) => format!("called exit({})", exit.0),
        None => error.root_cause().to_string(),
    };
    let text = match guest.last_words() {
        words if words.is_empty() => cause,
        words => format!("{cause}; its last output: {words}"),
    };
    Failure::new(ErrorClass::Trap, text)
}

fn ran_too_long(limit: Duration) -> String {
    format!("ran longer than its limit of {} (sandbox.timeout)", humantime::format_duration(limit))
}

fn failed(class: ErrorClass, message: impl Into<String>) -> Outcome {
    Outcome::Failed(Failure::new(class, message))
}
