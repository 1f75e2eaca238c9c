//! Memory, time, output, and what is around it.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    io::{Write, stdout},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use warren_task::{
    Failure,
    serde_json::{Map, Value, json},
};

use crate::refused;

pub(crate) fn environment() -> Value {
    let variables: Map<_, _> = std::env::vars().map(|(name, value)| (name, json!(value))).collect();
    let folders: Vec<_> = wasip2::filesystem::preopens::get_directories().into_iter().map(|(_, path)| path).collect();
    let stdin = std::io::read_to_string(std::io::stdin()).unwrap_or_default();
    json!({
        "variables": variables,
        "arguments": std::env::args().collect::<Vec<_>>(),
        "folders": folders,
        "working_directory": wasip2::cli::environment::initial_cwd(),
        "stdin": stdin,
    })
}

pub(crate) fn chatter() -> Result<Value, Failure> {
    let block = [b'x'; 4096];
    loop {
        stdout().write_all(&block).map_err(refused)?;
    }
}

pub(crate) fn say(out: &str, err: &str) -> Value {
    println!("{out}");
    eprintln!("{err}");
    json!({})
}

pub(crate) fn hoard() -> Result<Value, Failure> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut more = Vec::new();
        more.try_reserve_exact(1 << 20).map_err(refused)?;
        more.resize(1 << 20, 1);
        all.push(more);
    }
}

pub(crate) fn spin() -> Result<Value, Failure> {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

pub(crate) fn sleep(ms: u64) -> Value {
    thread::sleep(Duration::from_millis(ms));
    json!(ms)
}

pub(crate) fn remember() -> Value {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    json!(COUNT.fetch_add(1, Ordering::Relaxed) + 1)
}

pub(crate) fn chance() -> Value {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "secure": wasip2::random::random::get_random_u64().to_string(),
        "insecure": wasip2::random::insecure::get_insecure_random_u64().to_string(),
        "hash": RandomState::new().hash_one(1).to_string(),
        "time_ms": u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        "monotonic_ns": u64::try_from(Instant::now().elapsed().as_nanos()).unwrap_or(u64::MAX),
    })
}
