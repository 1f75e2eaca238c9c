//! What is known of one version of one component, and how ready it is.

use std::{
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, OnceCell};

use super::{Component, Digest, Found, Link, Listed, Signature, Stored};

/// The versions of one component.
pub(super) struct Known<P> {
    /// The one in use.
    pub(super) current: Arc<Entry<P>>,
    /// What takes its place as soon as it was looked at.
    pub(super) coming: Option<Arc<Entry<P>>>,
}

/// One version of a component.
pub(super) struct Entry<P> {
    pub(super) stored: Stored,
    state: RwLock<State<P>>,
    /// Known from the store's listing, or since the bytes were first read.
    digest: OnceLock<Digest>,
    /// What lies beside its file. Read once: what was looked at is what counts, whatever lies there later.
    pub(super) papers: OnceCell<Papers>,
    /// What its manifest makes of it. Apart from the state: it is made once, and stays when the code is let go.
    pub(super) link: OnceCell<Link<P>>,
    /// One load at a time, however many tasks ask for it.
    pub(super) loading: Mutex<()>,
    /// When this process first knew of it: what came last is looked at first.
    pub(super) arrived: Instant,
    /// When it was last asked for.
    used: AtomicU64,
    seen: AtomicBool,
    /// The last time that it could not be had.
    missed: RwLock<Option<Missed>>,
    /// What was wrong with the version before, and has been told.
    pub(super) told: Option<Arc<str>>,
}

/// What lies beside the file of a component.
pub(super) struct Papers {
    /// The text of its manifest, if it has one.
    pub(super) manifest: Option<String>,
    /// Its signature, if it has one and one is required.
    pub(super) signature: Option<Signature>,
}

/// How ready it is.
enum State<P> {
    /// Its code is not in memory.
    Cold,
    Ready(Arc<Component<P>>),
    Broken(Arc<Broken>),
}

/// A time at which it could not be had.
struct Missed {
    at: Instant,
    reason: Arc<str>,
    /// How long tasks take that for an answer.
    rest: Duration,
}

/// Why it can't be used.
pub(super) struct Broken {
    pub(super) reason: Arc<str>,
    pub(super) cause: Cause,
}

/// What of it is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its file.
    Code,
    /// Its manifest: the reason may lie outside of the files, as a secret that is not there yet.
    Manifest,
    /// Nobody vouches for it: it answers for nothing but itself.
    Refused,
}

impl<P> Known<P> {
    pub(super) fn new(current: Arc<Entry<P>>) -> Self {
        Self { current, coming: None }
    }

    pub(super) fn newest(&self) -> &Arc<Entry<P>> {
        self.coming.as_ref().unwrap_or(&self.current)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry<P>>> {
        std::iter::once(&self.current).chain(&self.coming)
    }

    /// Takes up what the store had at `arrived`. What has served stays in use until that was looked at.
    pub(super) fn take_up(&mut self, stored: Stored, arrived: Instant) {
        let newest = self.newest();
        if newest.stored == stored && !newest.may_come_right() {
            return;
        }
        let has_served = self.current.is_seen() && self.current.reason().is_none();
        if has_served && self.current.stored == stored {
            self.coming = None;
            return;
        }
        let known = newest.digest().filter(|_| newest.stored == stored).cloned();
        let next = Arc::new(Entry::new(stored, arrived, newest.reason().or_else(|| newest.told.clone())));
        if let Some(digest) = known {
            // Or a file whose manifest waits for a secret would be read at each scan.
            next.note_digest(digest);
        }
        if has_served {
            self.coming = Some(next);
        } else {
            *self = Self::new(next);
        }
    }
}

impl<P> Entry<P> {
    pub(super) fn new(stored: Stored, arrived: Instant, told: Option<Arc<str>>) -> Self {
        let digest = stored.digest().cloned().map_or_else(OnceLock::new, OnceLock::from);
        Self {
            stored,
            state: RwLock::new(State::Cold),
            digest,
            papers: OnceCell::new(),
            link: OnceCell::new(),
            loading: Mutex::default(),
            arrived,
            used: AtomicU64::new(0),
            seen: AtomicBool::new(false),
            missed: RwLock::default(),
            told,
        }
    }

    /// What a task finds, if that is known without loading.
    pub(super) fn found(&self, now: u64) -> Option<Found<P>> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Cold => None,
            State::Ready(component) => {
                self.used.store(now, Ordering::Relaxed);
                Some(Found::Ready(component.clone()))
            }
            State::Broken(broken) => Some(Found::Broken(broken.reason.clone())),
        }
    }

    /// It could not be had just now; tasks need not try again for `rest`. Gives whether it is the first time.
    pub(super) fn miss(&self, reason: Arc<str>, rest: Duration) -> bool {
        let missed = Missed { at: Instant::now(), reason, rest };
        self.missed.write().unwrap_or_else(PoisonError::into_inner).replace(missed).is_none()
    }

    /// Why it could not be had so recently that a task need not try again.
    pub(super) fn missed(&self) -> Option<Arc<str>> {
        let missed = self.missed.read().unwrap_or_else(PoisonError::into_inner);
        missed.as_ref().filter(|missed| missed.at.elapsed() < missed.rest).map(|missed| missed.reason.clone())
    }

    /// Whether it was tried in vain within this time.
    pub(super) fn was_missed_within(&self, time: Duration) -> bool {
        let missed = self.missed.read().unwrap_or_else(PoisonError::into_inner);
        missed.as_ref().is_some_and(|missed| missed.at.elapsed() < time)
    }

    pub(super) fn ready(&self, component: Arc<Component<P>>, now: u64) {
        // First, or it would be the one that was used least recently.
        self.used.store(now, Ordering::Relaxed);
        self.note_digest(component.digest.clone());
        self.set(State::Ready(component));
    }

    /// Notes the digest of what was read: what was known before holds.
    pub(super) fn note_digest(&self, digest: Digest) {
        let _ = self.digest.set(digest);
    }

    pub(super) fn broken(&self, broken: Broken) {
        self.set(State::Broken(Arc::new(broken)));
    }

    /// Lets its code go; tasks that run keep it for as long as they do.
    pub(super) fn let_go(&self) {
        self.set(State::Cold);
    }

    fn set(&self, state: State<P>) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// The bytes of its code, if that is in memory.
    pub(super) fn code(&self) -> Option<u64> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Ready(component) => Some(component.code),
            State::Cold | State::Broken(_) => None,
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn digest(&self) -> Option<&Digest> {
        self.digest.get()
    }

    /// Whether it was looked at: loaded at least once, or found to be unusable.
    pub(super) fn is_seen(&self) -> bool {
        self.seen.load(Ordering::Acquire)
    }

    /// Gives whether it had been looked at before.
    pub(super) fn see(&self) -> bool {
        self.seen.swap(true, Ordering::AcqRel)
    }

    pub(super) fn listed(&self) -> Listed {
        let state = self.reason().map_or_else(|| Ok(self.digest().cloned()), Err);
        Listed { stored: self.stored.clone(), state }
    }

    fn reason(&self) -> Option<Arc<str>> {
        self.broken_by().map(|broken| broken.reason.clone())
    }

    /// Whether it was refused because nobody vouches for it.
    pub(super) fn is_refused(&self) -> bool {
        self.is_broken_by(Cause::Refused)
    }

    fn may_come_right(&self) -> bool {
        self.stored.has_manifest() && self.is_broken_by(Cause::Manifest)
    }

    fn is_broken_by(&self, cause: Cause) -> bool {
        self.broken_by().is_some_and(|broken| broken.cause == cause)
    }

    fn broken_by(&self) -> Option<Arc<Broken>> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Broken(broken) => Some(broken.clone()),
            State::Cold | State::Ready(_) => None,
        }
    }
}
