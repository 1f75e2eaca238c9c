//! The one engine: how components are compiled, where their memories live, and the clock that makes guests yield.
//!
//! The figures behind these choices were measured with a JSON echo component of 92 KB on two cores: with
//! `pagemap_scan` and memories kept resident, 138,000 instantiate-and-execute per second instead of 24,000, because a
//! reset of a memory by `madvise` interrupts every other thread.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often the epoch advances. A guest's code yields its thread at the first tick that finds it to have used a millisecond of
/// processor time: after three at most.
const EPOCH_TICK: Duration = Duration::from_millis(2);

/// A guest that has used less processor time since it got its thread keeps it at a tick of the epoch. By the time on the wall, one that
/// the system holds up would lose its turn, and be taken for one that computes.
pub(super) const SHORTEST_TURN: Duration = Duration::from_millis(1);

/// How much of a linear memory stays resident between two executions. Rust guests start with 1.1 MiB; what is larger
/// is given back to the system.
const MEMORY_KEEP_RESIDENT: usize = 2 << 20;

/// Core instances, memories and tables that one component may have. A Rust component has four, one and two; the ones
/// that carry an interpreter (Python, JavaScript) have more.
const CORE_INSTANCES: u32 = 20;
const MEMORIES: u32 = 4;
const TABLES: u32 = 8;

/// Elements that a table may have. Eight bytes each are reserved for every table.
pub(super) const TABLE_ELEMENTS: usize = 20_000;

/// What the host's own functions need of a guest's stack, in bytes. Source: wasmtime's default, 2 MiB with 512 KiB for the
/// guest.
const HOST_STACK: usize = (2 << 20) - (512 << 10);

/// What the engine has to know beforehand.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// How many guests may have an instance at once.
    pub concurrency: u32,
    /// How many threads execute guests.
    pub threads: usize,
    /// The largest memory that any guest may be given, in bytes.
    pub max_memory: usize,
    /// The stack of each guest, in bytes.
    pub stack: usize,
}

/// Why the sandbox could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused the settings, or the system refused the address space.
    #[error("no WebAssembly engine for {concurrency} guests at once (sandbox.concurrency): {source}")]
    Engine {
        /// The setting that decides how much address space is reserved.
        concurrency: u32,
        /// What wasmtime says.
        source: wasmtime::Error,
    },
    /// The host interfaces could not be linked.
    #[error("the host interfaces can't be linked: {0}")]
    Linker(wasmtime::Error),
    /// A thread could not be started.
    #[error("no thread for guests: {0}")]
    Thread(#[from] std::io::Error),
}

/// Builds the engine.
pub(super) fn build(settings: &EngineSettings) -> Result<Engine, EngineError> {
    let mut config = config(settings.stack);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    Engine::new(&config).map_err(|source| EngineError::Engine { concurrency: settings.concurrency, source })
}

/// An engine that compiles for those that have this stack, and executes nothing: it reserves no address space, and has the
/// one thread that calls it.
///
/// # Errors
/// If wasmtime refuses the settings.
pub fn compiling_engine(stack: usize) -> wasmtime::Result<Engine> {
    Engine::new(config(stack).parallel_compilation(false))
}

/// What decides how components are compiled: the same for all engines.
fn config(stack: usize) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(stack)
        .async_stack_size(stack + HOST_STACK)
        // No backtrace is captured when a guest traps: its names are stripped, and the guest decides how often it traps.
        .wasm_backtrace_max_frames(None)
        .memory_init_cow(true);
    config
}

fn pool(settings: &EngineSettings) -> PoolingAllocationConfig {
    let guests = settings.concurrency;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(guests)
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_core_instances(guests.saturating_mul(CORE_INSTANCES))
        .max_memories_per_component(MEMORIES)
        .total_memories(guests.saturating_mul(MEMORIES))
        .max_tables_per_component(TABLES)
        .total_tables(guests.saturating_mul(TABLES))
        .table_elements(TABLE_ELEMENTS)
        .total_stacks(guests)
        .max_memory_size(settings.max_memory)
        .max_unused_warm_slots(guests)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_ELEMENTS * size_of::<usize>())
        .pagemap_scan(Enabled::Auto);
    pool
}

/// A thread that advances the engine's epoch; it ends when this is dropped.
pub(super) struct EpochTicker {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl EpochTicker {
    /// Starts the thread.
    pub(super) fn start(engine: &Engine) -> Result<Self, std::io::Error> {
        let (stop, stopped) = mpsc::channel();
        let engine = engine.weak();
        let thread = thread::Builder::new().name("epoch".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(EPOCH_TICK) {
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for EpochTicker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A ticker that panicked has nothing to tell that its panic message did not.
            let _ = thread.join();
        }
    }
}
