//! Measures what the sandbox costs a task: limits, grants, receipt and log, against instantiate and execute alone; and what
//! guests that never end cost their neighbours.
//!
//! `cargo run --release -p warren --example sandbox_cost -- [EXECUTIONS]`, or `make bench-sandbox`. Needs the component
//! `echo` (`make components`), and neither broker nor database.

#[path = "support/execute.rs"]
mod execute;
#[path = "../tests/support/guest.rs"]
mod guest;

use std::{
    error::Error,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use execute::execute;
use tokio::runtime::Builder;
use warren::{
    components::{Compiler, Place},
    config::Config,
    sandbox::{EngineSettings, Program, Sandbox},
};
use wasmtime::{
    Engine, Store,
    component::{Component, InstancePre, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Guests are executed on as many threads, which have nothing else to do.
const THREADS: usize = 2;

/// Executions that are under way at once.
const AT_ONCE: usize = 32;

/// Rounds, in which the two are measured one after the other.
const ROUNDS: usize = 5;

/// Guests that never end, beside which others are measured.
const LOOPERS: usize = 4;

const PAYLOAD: &str = r#"{"greeting": "hello", "n": 1.50, "list": [1, 2, 3]}"#;

#[tokio::main]
async fn main() -> Result<()> {
    let executions: usize = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse())?;
    let settings = EngineSettings { concurrency: 64, threads: THREADS, max_memory: 64 << 20, stack: 512 << 10 };
    let sandbox = Arc::new(Sandbox::new(&settings)?);
    let echo = compile(&sandbox, tokio::fs::read(echo()?).await?).await?;
    let bare = Arc::new(Bare::new(sandbox.engine(), &echo)?);
    let program = Arc::new(sandbox.prepare(&echo, Config::default().to_bounds().without_manifest())?);

    println!("{executions} executions of echo on {THREADS} threads, {AT_ONCE} at once, µs each; {ROUNDS} rounds");
    let (mut alone, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(measure_bare(&bare, executions).await?);
        whole.push(measure_sandbox(&sandbox, &program, executions).await?);
    }
    println!("instantiate and execute alone  {}", shown(&mut alone));
    println!("the sandbox, with everything   {}", shown(&mut whole));
    neighbours(&sandbox, &program).await
}

/// Minimum, median and maximum, as microseconds of both threads for each execution.
fn shown(times: &mut [f64]) -> String {
    times.sort_by(f64::total_cmp);
    let (first, middle, last) = (times.first(), times.get(times.len() / 2), times.last());
    let us = |time: Option<&f64>| time.copied().unwrap_or_default();
    format!("min {:.2}  median {:.2}  max {:.2}", us(first), us(middle), us(last))
}

fn echo() -> Result<PathBuf> {
    let example = std::env::current_exe()?;
    let target = example.ancestors().nth(3).ok_or("no folder above")?;
    Ok(target.join("components/echo.wasm"))
}

async fn compile(sandbox: &Sandbox, bytes: Vec<u8>) -> Result<Component> {
    Ok(Compiler::new(sandbox.engine().clone(), Place::InProcess, None).compile(bytes.into()).await?.1)
}

/// What a host has to do at least: a store, an instance, a call.
struct Bare {
    engine: Engine,
    pre: InstancePre<Context>,
}

struct Context {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Context {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Bare {
    fn new(engine: &Engine, component: &Component) -> Result<Self> {
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        linker.define_unknown_imports_as_traps(component)?;
        Ok(Self { engine: engine.clone(), pre: linker.instantiate_pre(component)? })
    }

    async fn execute(&self) -> Result<()> {
        let context = Context { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, context);
        store.set_epoch_deadline(1 << 40);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let execute = instance.get_func(&mut store, "execute").ok_or("no execute")?;
        let mut results = [wasmtime::component::Val::Bool(false)];
        let payload = wasmtime::component::Val::String(PAYLOAD.into());
        execute.call_async(&mut store, &[payload], &mut results).await?;
        Ok(())
    }
}

async fn measure_bare(bare: &Arc<Bare>, executions: usize) -> Result<f64> {
    let threads = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let (bare, handle) = (bare.clone(), threads.handle().clone());
    let measured = measure(executions, move || {
        let (bare, handle) = (bare.clone(), handle.clone());
        async move { handle.spawn(async move { bare.execute().await }).await? }
    });
    let measured = measured.await;
    threads.shutdown_background();
    measured
}

async fn measure_sandbox(sandbox: &Arc<Sandbox>, program: &Arc<Program>, executions: usize) -> Result<f64> {
    let (sandbox, program) = (sandbox.clone(), program.clone());
    measure(executions, move || {
        let (sandbox, program) = (sandbox.clone(), program.clone());
        async move { execute(&sandbox, program, PAYLOAD).await }
    })
    .await
}

/// Runs it so often, and gives the microseconds that one took of both threads.
async fn measure<F>(executions: usize, one: impl Fn() -> F + Clone + Send + Sync + 'static) -> Result<f64>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let started = Instant::now();
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let one = one.clone();
            tokio::spawn(async move {
                for _ in 0..executions / AT_ONCE {
                    one().await?;
                }
                Ok::<_, Box<dyn Error + Send + Sync>>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 * THREADS as f64 / executions as f64)
}

/// How long one takes that comes alone, and beside guests that compute for ever.
async fn neighbours(sandbox: &Arc<Sandbox>, program: &Arc<Program>) -> Result<()> {
    println!("latency of one execution at a time, µs");
    println!("nobody else is there           {}", latency(sandbox, program).await?);
    let looping = compile(sandbox, guest::guest("(loop (br 0)) (unreachable)")).await?;
    let mut manifest = Config::default().to_bounds().without_manifest();
    manifest.limits.cpu = Duration::from_secs(3600);
    manifest.limits.timeout = Duration::from_secs(3600);
    let looping = Arc::new(sandbox.prepare(&looping, manifest)?);
    for _ in 0..LOOPERS {
        let (sandbox, looping) = (sandbox.clone(), looping.clone());
        tokio::spawn(async move { execute(&sandbox, looping, PAYLOAD).await });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    println!("beside {LOOPERS} that never end       {}", latency(sandbox, program).await?);
    sandbox.interrupt();
    Ok(())
}

async fn latency(sandbox: &Sandbox, program: &Arc<Program>) -> Result<String> {
    let mut times = Vec::new();
    for _ in 0..2000 {
        let started = Instant::now();
        execute(sandbox, program.clone(), PAYLOAD).await?;
        times.push(started.elapsed().as_micros());
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    Ok(format!("p50 {}  p99 {}", at(50), at(99)))
}
