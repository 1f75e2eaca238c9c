//! Runs a component on a payload and reports the [`Outcome`].
//!
//! Third step of a task's way: `components` found the code, `lifecycle` will record what comes out. Promises: each
//! execution has a store and an instance of its own, so nothing leaks from one task to the next (invariant 3); time,
//! memory, output and log are bounded (invariant 4); a guest that computes is made to yield, and guests run on threads
//! of their own, unless they end at once (`brief`), so that none delays another one or the service.

mod bindings;
mod brief;
mod context;
mod disk;
mod engine;
mod executor;
mod granted;
mod guest;
mod guest_log;
mod http;
mod imports;
mod interrupts;
mod ledger;
mod limiter;
mod meter;
mod places;
mod prepare;
mod program;
mod running;
mod scratch;
mod slots;

use std::{collections::HashSet, fmt, sync::Arc, time::Instant};

use bytes::Bytes;
use event_driven::{message::JsonText, names::Priority};
use humantime::format_duration;
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

pub use self::{
    context::TaskInfo,
    engine::{EngineError, EngineSettings, compiling_engine},
    imports::Standing,
    prepare::Link,
    program::{Program, ProgramError},
    running::Running,
};
use self::{
    engine::EpochTicker,
    executor::Executor,
    guest::{Guest, Shared},
    guest_log::GuestLog,
    interrupts::Interrupts,
    ledger::Ledger,
    meter::Metered,
    program::Terms,
    scratch::Scratches,
    slots::{Place, Slots},
};
use crate::{
    manifest::{Limits, Manifest},
    outcome::{ErrorClass, Failure, Outcome},
    receipt::Receipt,
};

/// What wasmtime says when a guest hands more to the host in one call than it may: it has no type for that.
const CALL_TOO_LARGE: &str = "fuel allocated for hostcalls has been exhausted";

/// The one engine, the threads that guests run on, and the places for guests.
pub struct Sandbox {
    engine: wasmtime::Engine,
    linker: wasmtime::component::Linker<Guest>,
    executor: Arc<Executor>,
    /// A place is an instance slot of the pooling allocator; it moves with the execution.
    slots: Slots,
    scratches: Arc<Scratches>,
    interrupts: Arc<Interrupts>,
    _ticker: EpochTicker,
}

/// One execution: who asks, and what for.
pub struct Call {
    /// What the guest may know about the task.
    pub info: TaskInfo,
    /// The JSON text that is handed to the guest.
    pub payload: Arc<str>,
}

/// What came of one execution, and what it used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// What came of it.
    pub outcome: Outcome,
    /// What it used. Of one that was interrupted nothing is known.
    pub receipt: Receipt,
}

/// A place for one guest; given back when it is dropped.
#[expect(dead_code, reason = "held for its drop")]
pub struct Slot {
    of_component: Place,
    of_all: Place,
}

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
            executor: Arc::new(Executor::new(settings.threads)?),
            slots: Slots::new(settings.concurrency),
            scratches: Arc::default(),
            interrupts: Arc::default(),
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
    pub fn prepare(
        &self,
        component: &wasmtime::component::Component,
        manifest: Manifest,
    ) -> Result<Program, ProgramError> {
        let places = places::alone(manifest.limits.concurrency);
        Program::new(&self.linker, component, Arc::new(Terms::new(manifest, places)?))
    }

    /// Waits for a place to execute `program` in, for a task of this class. `None` once the sandbox was interrupted. Cancel-safe.
    pub async fn slot(&self, program: &Program, class: Priority) -> Option<Slot> {
        // In this order, so that a component with all its places taken keeps none from the others.
        let of_component = self.interrupts.unless_interrupted(program.place(class)).await??;
        let of_all = self.slots.place(class).await?;
        Some(Slot { of_component, of_all })
    }

    /// Executes `program` in `slot`, which is one of its own. Never panics, and takes no longer than the timeout, awaited at once: it may
    /// begin only then.
    pub fn execute(&self, slot: Slot, program: Arc<Program>, call: Call) -> Running {
        let log = GuestLog::new(program.manifest().limits.log);
        self.begin(slot, program, call, log)
    }

    /// [`Sandbox::execute`], and all that the guest writes is sent to `listener` as it is written. Its queue grows to no more
    /// than the guest's limit of output and one write beyond.
    pub fn execute_heard(
        &self,
        slot: Slot,
        program: Arc<Program>,
        call: Call,
        listener: UnboundedSender<Bytes>,
    ) -> Running {
        let log = GuestLog::heard(program.manifest().limits.log, listener);
        self.begin(slot, program, call, log)
    }

    fn begin(&self, slot: Slot, program: Arc<Program>, call: Call, log: GuestLog) -> Running {
        let (interrupts, task) = (self.interrupts.clone(), call.info.task_id);
        let shared = Shared { ledger: Ledger::default(), log: log.clone(), scratches: self.scratches.clone() };
        let here = program.is_brief(call.payload.len()).then(|| program.brevity().clone());
        let execution = Box::pin(async move {
            // The second branch drops the guest's fiber at a point where it yields: what it had done is discarded, which is what
            // an interruption is. `biased`, so that a guest that ends in its first poll never gets so far.
            let execution = tokio::select! {
                biased;
                execution = run(&program, call, shared) => execution,
                outcome = interrupts.of(task) => Execution::without_receipt(outcome),
            };
            drop(slot);
            execution
        });
        match here {
            Some(brevity) => Running::here(execution, log, self.executor.clone(), brevity),
            None => Running::elsewhere(execution, log, &self.executor),
        }
    }

    /// Interrupts the guests of these tasks, and each that begins later and does not end at once; their outcome is
    /// [`Outcome::Cancelled`]. Takes the place of what was said before.
    pub fn cancel(&self, tasks: HashSet<Uuid>) {
        self.interrupts.cancel(tasks);
    }

    /// A task is not to be cancelled after all.
    pub fn uncancel(&self, task: Uuid) {
        self.interrupts.uncancel(task);
    }

    /// Interrupts every running guest; their outcome is [`Outcome::Interrupted`], and that of every later call too.
    pub fn interrupt(&self) {
        self.interrupts.interrupt();
        self.slots.close();
    }
}

impl Execution {
    fn without_receipt(outcome: Outcome) -> Self {
        Self { outcome, receipt: Receipt::default() }
    }
}

/// Instantiates and calls, within the limits of time. The epoch makes the guest yield, so they are seen in time.
async fn run(program: &Program, call: Call, shared: Shared) -> Execution {
    let limits = &program.manifest().limits;
    let (begun, payload) = (Instant::now(), call.payload.len() as u64);
    let guest = std::pin::pin!(call_guest(program, call, &shared));
    let mut running = Metered::new(guest, limits.cpu);
    let outcome = match tokio::time::timeout(limits.timeout, &mut running).await {
        Ok(Some(outcome)) => outcome,
        Ok(None) => failed(
            ErrorClass::CpuTime,
            exceeded("cpu", "computed for", &format_duration(running.used()), &format_duration(limits.cpu)),
        ),
        Err(_elapsed) => failed(
            ErrorClass::Timeout,
            exceeded("timeout", "ran for", &format_duration(begun.elapsed()), &format_duration(limits.timeout)),
        ),
    };
    program.brevity().ended_after(running.used());
    let log = shared.log.tail();
    let receipt = Receipt {
        cpu: running.used(),
        wall: begun.elapsed(),
        memory: shared.ledger.memory(),
        payload,
        result: if let Outcome::Completed(result) = &outcome { result.len() as u64 } else { 0 },
        http: shared.ledger.http(),
        log_bytes: log.bytes,
        log: log.text,
    };
    Execution { outcome, receipt }
}

async fn call_guest(program: &Program, call: Call, shared: &Shared) -> Outcome {
    let Call { info, payload } = call;
    let limits = &program.manifest().limits;
    if payload.len() as u64 > limits.payload.as_u64() {
        let text = exceeded("payload", "the payload has", &bytes(payload.len()), &bytes(limits.payload.as_u64()));
        return failed(ErrorClass::PayloadTooLarge, text);
    }
    let mut store = match guest::store(program, info, shared) {
        Ok(store) => store,
        Err(error) => return failed(ErrorClass::BrokenComponent, error.to_string()),
    };
    let answer = match program.instantiate(&mut store).await {
        Ok(instance) => instance.call_execute(&mut store, &payload).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(Ok(result)) => check_result(&result, limits),
        Ok(Err(failure)) => Outcome::Failed(tell_failure(failure.into(), shared)),
        Err(error) => Outcome::Failed(tell_trap(&error, limits, shared)),
    }
}

/// A result must be JSON, and no larger than its limit.
fn check_result(result: &str, limits: &Limits) -> Outcome {
    if result.len() as u64 > limits.output.as_u64() {
        let text = exceeded("output", "the result has", &bytes(result.len()), &bytes(limits.output.as_u64()));
        return failed(ErrorClass::OutputTooLarge, text);
    }
    match JsonText::new(result) {
        Ok(result) => Outcome::Completed(result.shared()),
        Err(error) => failed(ErrorClass::BadOutput, format!("the result {error}")),
    }
}

/// Tells why a guest says that it failed: what it was refused, if it may be because of that.
fn tell_failure(failure: Failure, shared: &Shared) -> Failure {
    match shared.ledger.refusal() {
        Some(refusal) if failure.class == ErrorClass::Technical => {
            Failure::new(refusal.class, format!("{}; the component said: {}", refusal.message, failure.message))
        }
        _ => failure,
    }
}

/// Tells why a guest ended without an answer: what it was refused before, else the trap and its last words.
fn tell_trap(error: &wasmtime::Error, limits: &Limits, shared: &Shared) -> Failure {
    if shared.log.is_too_long() {
        let text = exceeded("log", "wrote", &bytes(shared.log.bytes()), &bytes(limits.log.as_u64()));
        return Failure::new(ErrorClass::LogTooLarge, text);
    }
    if error.root_cause().to_string().contains(CALL_TOO_LARGE) {
        let text = exceeded(
            "output",
            "handed over far more at once than",
            &bytes(limits.output.as_u64()),
            &bytes(limits.output.as_u64()),
        );
        return Failure::new(ErrorClass::OutputTooLarge, text);
    }
    let cause = match error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        Some(exit) => format!("called exit({})", exit.0),
        None => error.root_cause().to_string(),
    };
    let text = match shared.log.last_words() {
        words if words.is_empty() => cause,
        words => format!("{cause}; its last output: {words}"),
    };
    match shared.ledger.refusal() {
        Some(refusal) => Failure::new(refusal.class, format!("{}; then it trapped: {text}", refusal.message)),
        None => Failure::new(ErrorClass::Trap, text),
    }
}

/// Names the limit, what was used of it, and the line of the manifest that raises it.
fn exceeded(name: &str, did: &str, used: &dyn fmt::Display, limit: &dyn fmt::Display) -> String {
    format!("{did} {used}, its limit is {limit}; in its manifest: [limits] {name} = …")
}

fn bytes(number: impl TryInto<u64>) -> impl fmt::Display {
    format!("{} bytes", number.try_into().unwrap_or(u64::MAX))
}

fn failed(class: ErrorClass, message: impl Into<String>) -> Outcome {
    Outcome::Failed(Failure::new(class, message))
}
