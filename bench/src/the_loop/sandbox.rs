//! An instance for each payload, as fast as wasmtime gives one, without a limit.

use std::path::Path;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, HasSelf, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::Result;

/// The host's side of `wit/task.wit`.
#[allow(missing_docs, reason = "generated from wit/, where the docs are")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "guest",
        exports: { default: async },
    });
}

use bindings::{
    GuestPre,
    warren::task::{context, types},
};

/// Guests at once.
const GUESTS: u32 = 64;

struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for Guest {}

impl context::Host for Guest {
    fn current(&mut self) -> context::Info {
        context::Info {
            task_id: String::new(),
            task_name: "echo".to_owned(),
            attempt: 0,
            correlation_id: String::new(),
            producer_app: String::new(),
            deadline_ms: 0,
        }
    }
}

/// One component, ready to be instantiated.
pub(crate) struct Sandbox {
    engine: Engine,
    guest: GuestPre<Guest>,
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(GUESTS)
        .total_core_instances(GUESTS * 4)
        .total_memories(GUESTS)
        .total_tables(GUESTS * 2)
        .total_stacks(GUESTS)
        .max_unused_warm_slots(GUESTS)
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(20_000 * size_of::<usize>())
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

impl Sandbox {
    pub(crate) fn of_component(file: &Path) -> Result<Self> {
        let engine = Engine::new(&config())?;
        let component = Component::from_file(&engine, file)?;
        Self::new(engine, &component)
    }

    pub(crate) fn of_compiled(file: &Path) -> Result<Self> {
        // As `one::compile` made it. Without a pool: for one execution that would cost more than it gives.
        let engine = Engine::new(&Config::new())?;
        #[expect(
            unsafe_code,
            reason = "wasmtime trusts compiled code; this was written by the process that started this one"
        )]
        // SAFETY: as above.
        let component = unsafe { Component::deserialize_file(&engine, file)? };
        Self::new(engine, &component)
    }

    fn new(engine: Engine, component: &Component) -> Result<Self> {
        let mut linker = Linker::new(&engine);
        bindings::Guest::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        let guest = GuestPre::new(linker.instantiate_pre(component)?)?;
        Ok(Self { engine, guest })
    }

    /// What the component says to a payload.
    pub(crate) async fn execute(&self, payload: &str) -> Result<Result<String, String>> {
        let guest = Guest { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, guest);
        let instance = self.guest.instantiate_async(&mut store).await?;
        let answer = instance.call_execute(&mut store, payload).await?;
        Ok(answer.map_err(|failure| format!("{failure:?}")))
    }
}
