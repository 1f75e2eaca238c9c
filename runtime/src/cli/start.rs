//! Builds the parts from the settings, as `warren run` and `warren dev` both do.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use uuid::Uuid;

use crate::{
    api::{self, WithoutToken},
    broker::Broker,
    cli::signals::{self, Signals},
    components::{ChildProcess, CompileCache, Compiler, ComponentStore, Components, Keep, Place},
    config::Config,
    lifecycle::{Database, Heartbeat, Lookups, Recorder, RuntimeInfo},
    sandbox::{EngineSettings, Sandbox},
    service::{Parts, Service},
};

/// Builds everything that the service needs but the two connections and the store, which are given.
pub(super) async fn parts(
    config: Config,
    store: ComponentStore,
    broker: Broker,
    database: Database,
) -> anyhow::Result<Parts> {
    raise_open_files();
    let sandbox = Sandbox::new(&engine_settings(&config)?)?;
    let compiler = Compiler::new(sandbox.engine().clone(), compile_place(&config)?, compile_cache(&config));
    let preparer = Box::new(sandbox.preparer(config.to_bounds()));
    let signers = config.to_signers();
    if signers.are_required() {
        let keys = config.components.require_signatures.len();
        tracing::info!("only components that are signed by one of {keys} keys are executed");
    }
    let keep = Keep { scan: config.components.scan, memory: config.components.memory };
    let components = Components::load(store.requiring(signers), compiler, preparer, keep).await?;
    let (recorder, lookups) = (Recorder::start(&database), Lookups::start(&database));
    let alive = Heartbeat::start(&database, runtime_info(&config)).await;
    let heartbeat = alive.context("the row of this runtime could not be written")?;
    Ok(Parts { broker, components, sandbox, recorder, lookups, heartbeat, database, config })
}

/// Takes as many open files as the system lets it have: guests may hold some each, and few is what a shell gives.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays at {:?}: {error}", limit.current);
    }
}

/// Who this run of the service is.
fn runtime_info(config: &Config) -> RuntimeInfo {
    RuntimeInfo { runtime_id: Uuid::now_v7().to_string().into(), service: config.service.name.clone(), host: host() }
}

/// The name of this machine, for people who look for the process: where Linux tells it, or the environment.
pub(super) fn host() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    told.map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// Serves until a signal asks for a stop, then stops in order: the service, and HTTP last.
pub(super) async fn serve(
    service: Arc<Service>,
    bound: api::Bound,
    without: WithoutToken,
    mut signals: Signals,
) -> anyhow::Result<ExitCode> {
    let (addr, grace) = (bound.addr, service.parts().config.service.grace);
    let server = bound.serve(service.clone(), without);
    tracing::info!("ready; HTTP at http://{addr}");
    let asked = tokio::select! {
        signal = signals.next() => Some(signal),
        () = service.broken() => None,
    };
    if let Some(signal) = asked {
        let grace = humantime::format_duration(grace);
        tracing::info!("{signal}: stopping; running tasks have {grace} (once more to skip that)");
    }
    let report = service
        .stop(grace, async move {
            signals.next().await;
        })
        .await;
    server.stop().await;
    service.parts().database.close().await;
    Ok(signals::exit_code(report.clean && asked.is_some()))
}

/// What is built, or `None` if a signal came before that was done: then nothing has begun that could be stopped.
pub(super) async fn unless_stopped<T>(signals: &mut Signals, build: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        built = build => Some(built),
        signal = signals.next() => {
            tracing::info!("{signal}: stopped before the start was over");
            None
        }
    }
}

/// A variable that was meant to set something should not be passed over in silence.
pub(super) fn warn_of_variables(unknown: &[String]) {
    if !unknown.is_empty() {
        tracing::warn!("variables that set nothing: {}; `warren config` lists the settings", unknown.join(", "));
    }
}

pub(super) fn engine_settings(config: &Config) -> anyhow::Result<EngineSettings> {
    let sandbox = &config.sandbox;
    let threads = match sandbox.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let max_memory =
        usize::try_from(config.ceiling.memory.as_u64()).context("ceiling.memory is too large for this machine")?;
    let stack = usize::try_from(sandbox.stack.as_u64()).context("sandbox.stack is too large for this machine")?;
    Ok(EngineSettings { concurrency: sandbox.concurrency, threads, max_memory, stack })
}

/// Components are compiled by this binary, as a process of its own for each.
pub(super) fn compile_place(config: &Config) -> anyhow::Result<Place> {
    let stack = engine_settings(config)?.stack;
    let child = ChildProcess::of_this_binary(stack, config.to_compile_limits());
    Ok(Place::Child(child.context("the binary that compiles components is not known")?))
}

/// Where compiled code is kept. A cache that can't be used costs time at each start and nothing else.
pub(super) fn compile_cache(config: &Config) -> Option<CompileCache> {
    let directory = match config.components.cache.as_os_str().is_empty() {
        false => config.components.cache.clone(),
        true => user_cache()?.join("warren"),
    };
    CompileCache::open(&directory, config.components.cache_size)
        .inspect_err(|error| tracing::warn!(%error, "components.cache {}: {error}", directory.display()))
        .ok()
}

/// `$XDG_CACHE_HOME`, else `~/.cache`. Source: the XDG base directory specification.
fn user_cache() -> Option<PathBuf> {
    let of = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")))
}
