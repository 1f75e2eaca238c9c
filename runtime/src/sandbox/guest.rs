//! What a store holds for one guest: nothing that the host has not put there on purpose (invariant 3).
//!
//! A WASI context without arguments, variables, directories and network; clocks and random numbers work. Outgoing HTTP
//! is there for components that import it, and every request is denied.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wasmtime::{Engine, Store, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use super::{
    context::TaskInfo,
    guest_log::GuestLog,
    limits::{Limiter, Limits, MemoryLimit},
};

/// Host objects (streams, header fields, clocks' pollables) that a guest may hold at once. Each lives in the host's memory,
/// which the limit of the guest's own memory does not count.
const MAX_HANDLES: usize = 512;

/// The largest set of header fields that a guest may hold in the host, in bytes.
const MAX_FIELDS_BYTES: usize = 16 * 1024;

/// How much of a request's body is taken over from the guest at once, in bytes. It goes nowhere.
const BODY_CHUNK_BYTES: usize = 16 * 1024;

/// The data of one guest's store.
pub(super) struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    deny_http: DenyHttp,
    table: ResourceTable,
    limiter: Limiter,
    log: GuestLog,
    info: TaskInfo,
    started: Instant,
    limits: Limits,
}

/// A fresh store for one execution.
pub(super) fn store(engine: &Engine, info: TaskInfo, limits: &Limits) -> Store<Guest> {
    let log = GuestLog::default();
    let wasi = WasiCtx::builder()
        .stdout(log.clone())
        .stderr(log.clone())
        // Sockets can be linked against but not made: no grant names them.
        .allow_tcp(false)
        .allow_udp(false)
        .build();
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_HANDLES);
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(MAX_FIELDS_BYTES);
    let guest = Guest {
        wasi,
        http,
        deny_http: DenyHttp,
        table,
        limiter: Limiter::new(limits.memory),
        log,
        info,
        started: Instant::now(),
        limits: limits.clone(),
    };
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.limiter);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    store
}

impl Guest {
    pub(super) fn info(&self) -> &TaskInfo {
        &self.info
    }

    /// When the execution is stopped, in milliseconds since the epoch of Unix.
    pub(super) fn deadline_ms(&self) -> u64 {
        let left = self.limits.timeout.saturating_sub(self.started.elapsed());
        let deadline = SystemTime::now().checked_add(left).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        deadline.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(u64::MAX)
    }

    /// The first request for memory that was refused, if there was one.
    pub(super) fn memory_refused(&self) -> Option<MemoryLimit> {
        self.limiter.refused()
    }

    /// The end of what the guest wrote to its stdout and stderr.
    pub(super) fn last_words(&self) -> String {
        self.log.tail()
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.deny_http, table: &mut self.table, ctx: &mut self.http }
    }
}

/// No host is granted to anyone: each request ends with `HTTP-request-denied`.
struct DenyHttp;

type Sending = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Responding = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Sending), Error>> + Send>;

impl WasiHttpHooks for DenyHttp {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _body: Sending,
    ) -> Responding {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}
