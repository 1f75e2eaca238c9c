//! What one execution did so far. Shared between its store and the host's side of what it started, so that it is known
//! also of one that is cut off.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use super::context::bounded;
use crate::{
    outcome::{ErrorClass, Failure},
    receipt::HttpReceipt,
};

/// The most hosts that a receipt names.
const MOST_HOSTS: usize = 64;

/// The most directories that one execution makes: what is nested without end takes a stack and files without end to remove.
const MOST_DIRECTORIES: u32 = 256;

/// The shared record of one execution. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    memory: AtomicU64,
    requests: AtomicU32,
    sent: AtomicU64,
    received: AtomicU64,
    written: AtomicU64,
    directories: AtomicU32,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    hosts: Vec<String>,
    refusal: Option<Failure>,
}

impl Ledger {
    /// All memories and tables together have this many bytes now. They never shrink.
    pub(super) fn memory_is(&self, bytes: u64) {
        self.0.memory.store(bytes, Relaxed);
    }

    pub(super) fn memory(&self) -> u64 {
        self.0.memory.load(Relaxed)
    }

    /// The execution was refused something: why it fails, if it does. The first refusal counts.
    pub(super) fn refused(&self, class: ErrorClass, text: impl Into<String>) {
        self.notes().refusal.get_or_insert_with(|| Failure::new(class, bounded(text.into())));
    }

    pub(super) fn refusal(&self) -> Option<Failure> {
        self.notes().refusal.clone()
    }

    /// Counts a request over HTTP, unless there are as many as may be.
    pub(super) fn request(&self, host: &str, limit: u32) -> bool {
        let within = |requests: u32| requests.checked_add(1).filter(|requests| *requests <= limit);
        if self.0.requests.fetch_update(Relaxed, Relaxed, within).is_err() {
            return false;
        }
        let mut notes = self.notes();
        if notes.hosts.len() < MOST_HOSTS && !notes.hosts.iter().any(|known| known == host) {
            notes.hosts.push(host.to_owned());
        }
        true
    }

    /// Bytes that were sent over HTTP.
    pub(super) fn sent(&self) -> u64 {
        self.0.sent.load(Relaxed)
    }

    /// Counts bytes that were sent over HTTP.
    pub(super) fn add_sent(&self, bytes: u64) {
        self.0.sent.fetch_add(bytes, Relaxed);
    }

    /// Bytes that were received over HTTP.
    pub(super) fn received(&self) -> u64 {
        self.0.received.load(Relaxed)
    }

    /// Counts bytes that were received over HTTP.
    pub(super) fn add_received(&self, bytes: u64) {
        self.0.received.fetch_add(bytes, Relaxed);
    }

    /// Counts bytes that are to be written to files, unless they would be more than may be.
    pub(super) fn write(&self, bytes: u64, limit: u64) -> bool {
        let within = |written: u64| written.checked_add(bytes).filter(|written| *written <= limit);
        self.0.written.fetch_update(Relaxed, Relaxed, within).is_ok()
    }

    /// Counts a directory, unless there are as many as may be.
    pub(super) fn directory(&self) -> bool {
        let within =
            |directories: u32| directories.checked_add(1).filter(|directories| *directories <= MOST_DIRECTORIES);
        self.0.directories.fetch_update(Relaxed, Relaxed, within).is_ok()
    }

    pub(super) fn http(&self) -> HttpReceipt {
        HttpReceipt {
            requests: self.0.requests.load(Relaxed),
            sent: self.0.sent.load(Relaxed),
            received: self.0.received.load(Relaxed),
            hosts: self.notes().hosts.clone(),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
