//! What a store holds for one guest: nothing that the host has not put there on purpose (invariant 3).
//!
//! A WASI context without arguments and network, and with the variables and directories that are granted; requests over HTTP
//! go through [`Http`]. As a rule the context is made when the guest asks for something in it: most ask for nothing, and it takes as long
//! as a tenth of a brief execution.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use wasmtime::{Store, UpdateDeadline, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::{
    context::TaskInfo,
    disk::Disk,
    engine::SHORTEST_TURN,
    granted::{GrantError, Granted},
    guest_log::GuestLog,
    http::Http,
    ledger::Ledger,
    limiter::Limiter,
    meter,
    program::{Program, Terms},
    scratch::{Scratch, Scratches},
};

/// Host objects (streams, header fields, clocks' pollables) that a guest may hold at once. Each lives in the host's memory,
/// which the limit of the guest's own memory does not count.
const MAX_HANDLES: usize = 128;

/// What a guest may hand to the host in one call beyond a result, in bytes: as much as the largest field of a request. And the most
/// random bytes that it may ask for in one call.
const MAX_CALL_BYTES: usize = 256 * 1024;

/// The largest set of header fields that a guest may hold in the host, in bytes.
const MAX_FIELDS_BYTES: usize = 16 * 1024;

/// What an execution shares with the host.
pub(super) struct Shared {
    /// Known outside of its store, and so also of one that is cut off; like the log.
    pub(super) ledger: Ledger,
    pub(super) log: GuestLog,
    /// Where it gets a directory of its own from.
    pub(super) scratches: Arc<Scratches>,
}

/// The data of one guest's store.
pub(super) struct Guest {
    /// None until it is asked for.
    wasi: Option<Box<WasiCtx>>,
    terms: Arc<Terms>,
    log: GuestLog,
    http: WasiHttpCtx,
    requests: Http,
    table: ResourceTable,
    limiter: Limiter,
    disk: Disk,
    info: TaskInfo,
    started: Instant,
    timeout: Duration,
    /// Last, so that it is removed when no file in it is open any more.
    _scratch: Option<Scratch>,
}

/// A fresh store for one execution.
pub(super) fn store(program: &Program, info: TaskInfo, shared: &Shared) -> Result<Store<Guest>, GrantError> {
    let (limits, terms) = (&program.manifest().limits, program.terms());
    // What may not be there has to be opened before the guest begins.
    let (wasi, scratch) = match terms.granted.has_directories() {
        true => {
            let mut wasi = context(&terms.granted, &shared.log);
            let scratch = terms.granted.give_directories(&mut wasi, &shared.scratches)?;
            (Some(Box::new(wasi.build())), scratch)
        }
        false => (None, None),
    };
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_HANDLES);
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(MAX_FIELDS_BYTES);
    let guest = Guest {
        wasi,
        terms: terms.clone(),
        log: shared.log.clone(),
        http,
        requests: Http::new(terms.granted.http.clone(), limits, shared.ledger.clone()),
        table,
        limiter: Limiter::new(limits.memory, shared.ledger.clone()),
        disk: Disk::new(shared.ledger.clone(), limits.disk.as_u64()),
        _scratch: scratch,
        info,
        started: Instant::now(),
        timeout: limits.timeout,
    };
    let mut store = Store::new(program.engine(), guest);
    store.limiter(|guest| &mut guest.limiter);
    let output = usize::try_from(limits.output.as_u64()).unwrap_or(usize::MAX);
    store.set_hostcall_fuel(output.saturating_add(MAX_CALL_BYTES));
    store.set_epoch_deadline(1);
    // A tick may come as soon as it has its turn: one that is over before the next need not wait for another turn.
    store.epoch_deadline_callback(|_| match meter::used_in_this_turn() < SHORTEST_TURN {
        true => Ok(UpdateDeadline::Continue(1)),
        false => Ok(UpdateDeadline::Yield(1)),
    });
    Ok(store)
}

/// A context without directories.
fn context(granted: &Granted, log: &GuestLog) -> WasiCtxBuilder {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(log.clone())
        .stderr(log.clone())
        // Sockets can be linked against but not made: no grant names them.
        .allow_tcp(false)
        .allow_udp(false)
        // No fuel counts what is asked of the host: it is made byte by byte, in the host's memory.
        .max_random_size(MAX_CALL_BYTES as u64);
    granted.give_variables(&mut wasi);
    wasi
}

impl Guest {
    pub(super) fn info(&self) -> &TaskInfo {
        &self.info
    }

    /// When the execution is stopped, in milliseconds since the epoch of Unix.
    pub(super) fn deadline_ms(&self) -> u64 {
        let left = self.timeout.saturating_sub(self.started.elapsed());
        let deadline = SystemTime::now().checked_add(left).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        deadline.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(u64::MAX)
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| Box::new(context(&self.terms.granted, &self.log).build()));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.requests, table: &mut self.table, ctx: &mut self.http }
    }
}
