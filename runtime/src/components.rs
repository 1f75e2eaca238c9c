//! From a task's name to the component that executes it.
//!
//! Second step of a task's way. What the store holds is listed at start and looked at again every scan. A component is
//! loaded when it is first asked for: from the cache on disk, or compiled in a process of its own; one load at a time for
//! each, and none holds up another's. It is then kept ready, as long as there is room for it. What nobody asks for is
//! loaded once in the background, so that a file that can't be used is told when it appears and not by the first task.
//! What is changed takes the old one's place when it is ready; tasks that run finish on what they began with.
//!
//! What a component becomes once it is compiled is decided by whoever makes the registry (the sandbox, in the service):
//! this part only holds it.

mod cache;
mod check;
mod compile;
mod digest;
mod entry;
mod load;
mod signature;
mod store;
mod watch;

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use bytesize::ByteSize;
use event_driven::names::TaskName;
use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    cache::CompileCache,
    check::{Checked, Refused, check, imports},
    compile::{ChildProcess, CompileError, CompileLimits, Compiler, Inside, Place, SUBCOMMAND, serve},
    digest::{Digest, DigestError},
    signature::{KeyError, NotSigned, PublicKey, Signature, SignatureError, Signers, SigningKey, Statement},
    store::{
        Change, ComponentStore, Progress, Pushed, Removed, StoreError, Stored, Switched, Upload, Version,
        VersionRecord, Versions,
    },
};
use self::{
    entry::{Entry, Known},
    load::Asked,
    watch::Lane,
};

/// The components that can be executed, by name. `P` is what a component becomes when it is prepared for execution.
pub struct Components<P> {
    inner: Arc<Inner<P>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Makes a compiled component executable, or says why it can't be. Called each time that the component is loaded.
pub type Link<P> = Box<dyn Fn(&wasmtime::component::Component) -> Result<P, String> + Send + Sync>;

/// From the text of a component's manifest, if it has one, to what makes it executable. Called once for each version of a
/// component, with its name: what has to outlive the code lives in the [`Link`]. Without a name where it is only checked.
pub type Prepare<P> = Box<dyn Fn(Option<&TaskName>, Option<&str>) -> Result<Link<P>, String> + Send + Sync>;

/// How components are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// How often the store is looked at for what is new.
    pub scan: Duration,
    /// The machine code that is kept ready. Tasks that run keep theirs beyond that.
    pub memory: ByteSize,
}

struct Inner<P> {
    store: ComponentStore,
    compiler: Compiler,
    prepare: Prepare<P>,
    keep: Keep,
    /// The one place for what is compiled though nobody waits for it.
    background: Semaphore,
    /// Files that are in memory to be compiled.
    reading: Semaphore,
    /// Never held across an `await`; each task reads it for a clone of an `Arc`.
    known: RwLock<HashMap<TaskName, Known<P>>>,
    /// Times of use count from here.
    begun: Instant,
    /// Rung when there is something in `known` that was not looked at, one for each [`Lane`].
    new_arrived: Notify,
    coming_arrived: Notify,
    /// Rung when the store is to be looked at before the next scan is due.
    changed: Notify,
    /// Rung when something was looked at.
    looked_at: Notify,
    /// Whether what was there at the start was looked at: from then on, each that is ready is told.
    is_settled: AtomicBool,
}

/// A component that can be executed.
pub struct Component<P> {
    /// The name under which tasks ask for it.
    pub name: TaskName,
    /// What it was compiled of.
    pub digest: Digest,
    /// What the [`Link`] made of it.
    pub program: Arc<P>,
    /// Its machine code and what belongs to it, in bytes.
    code: u64,
}

/// What a look-up finds.
pub enum Found<P> {
    /// The component, ready.
    Ready(Arc<Component<P>>),
    /// There is a file of that name, and it can't be used; why.
    Broken(Arc<str>),
    /// There is a file of that name, and it can't be had now; why.
    Unavailable(Arc<str>),
    /// There is no file of that name.
    Missing,
}

/// What is known of a component.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its file.
    pub stored: Stored,
    /// Its digest, once that is known; or why it can't be used.
    pub state: Result<Option<Digest>, Arc<str>>,
}

impl<P: Send + Sync + 'static> Components<P> {
    /// Lists what is in the store, and looks for changes every [`Keep::scan`] until [`Components::stop`].
    ///
    /// # Errors
    /// If the store can't be listed at all. A file that can't be used is logged and does not count.
    pub async fn load(
        store: ComponentStore,
        compiler: Compiler,
        prepare: Prepare<P>,
        keep: Keep,
    ) -> Result<Self, StoreError> {
        // Beside those that are compiled, as many are read meanwhile.
        let files = compiler.at_once().saturating_mul(2).min(Semaphore::MAX_PERMITS);
        let inner = Arc::new(Inner {
            store,
            compiler,
            prepare,
            keep,
            background: Semaphore::new(1),
            reading: Semaphore::new(files),
            known: RwLock::default(),
            begun: Instant::now(),
            new_arrived: Notify::new(),
            coming_arrived: Notify::new(),
            changed: Notify::new(),
            looked_at: Notify::new(),
            is_settled: AtomicBool::new(false),
        });
        inner.refresh().await?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(watch::scan(inner.clone(), stop.clone()));
        for lane in [Lane::New, Lane::Coming] {
            tasks.spawn(watch::look(inner.clone(), lane, stop.clone()));
        }
        tasks.close();
        Ok(Self { inner, stop, tasks })
    }

    /// What is to be said of that component at once. `None`: it has to be looked for, or loaded, which takes time.
    pub fn ready(&self, name: &TaskName) -> Option<Found<P>> {
        self.inner.wanted(name)?.found(self.inner.now())
    }

    /// The component of that name. One that is not known, or not as it was listed, is looked for in the store at once, so
    /// that a task published right after an upload finds it. Cancel-safe: a load that nobody waits for is given up.
    pub async fn find(&self, name: &TaskName) -> Found<P> {
        if let Some(found) = self.ready(name) {
            return found;
        }
        let (listed, mut found) = (self.inner.wanted(name), Found::Missing);
        if let Some(entry) = &listed {
            if let Some(reason) = entry.missed() {
                // The store is not asked again so soon; but what takes its place may be known already.
                return self.inner.newer_or(name, Some(entry), Found::Unavailable(reason)).await;
            }
            found = self.inner.load(entry, Asked::ByTask).await;
            if !matches!(found, Found::Unavailable(_)) {
                return found;
            }
        }
        if let Err(error) = self.inner.refresh_one(name).await {
            return match found {
                Found::Missing => Found::Unavailable(error.to_string().into()),
                found => found,
            };
        }
        self.inner.newer_or(name, listed.as_ref(), found).await
    }

    /// Checks a component, and its manifest if it has one, as if it were in the store.
    ///
    /// # Errors
    /// If it could not be executed here, with the reason.
    pub async fn check(&self, bytes: Bytes, manifest: Option<&str>) -> Result<Checked, Refused> {
        check(&self.inner.compiler, &self.inner.prepare, bytes, manifest).await
    }

    /// Where they are kept.
    pub fn store(&self) -> &ComponentStore {
        &self.inner.store
    }

    /// Has the store looked at now, because something in it was changed: the next scan is not waited for.
    pub fn look_now(&self) {
        self.inner.changed.notify_one();
    }

    /// Everything that is known, by name.
    pub fn list(&self) -> Vec<Listed> {
        let known = self.inner.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = known.values().map(|known| known.newest().listed()).collect();
        list.sort_by(|a, b| a.stored.name.cmp(&b.stored.name));
        list
    }

    /// Waits until everything that is known was looked at: compiled at least once, or found to be unusable.
    pub async fn settled(&self) {
        loop {
            let mut looked_at = std::pin::pin!(self.inner.looked_at.notified());
            // Before it is looked: what is rung meanwhile is heard.
            looked_at.as_mut().enable();
            if self.inner.is_all_seen() {
                return;
            }
            looked_at.await;
        }
    }

    /// What was wrong with the store when it was last looked at; what is known stays in use.
    pub fn store_trouble(&self) -> Option<String> {
        self.inner.store.trouble()
    }

    /// Ends the scan. May be called twice.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl<P> Inner<P> {
    /// The entry that a task is to be executed by.
    fn wanted(&self, name: &TaskName) -> Option<Arc<Entry<P>>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(name).map(|known| known.current.clone())
    }

    /// The entry that the store had last, if it is another one than this.
    fn newer(&self, name: &TaskName, than: Option<&Arc<Entry<P>>>) -> Option<Arc<Entry<P>>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let newest = known.get(name)?.newest();
        than.is_none_or(|than| !Arc::ptr_eq(than, newest)).then(|| newest.clone())
    }

    /// The time, as it is noted when something is used: microseconds.
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Relaxed)
    }
}
