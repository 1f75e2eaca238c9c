//! From a task's name to the component that executes it.
//!
//! Second step of a task's way. The components of the store are compiled at start, once per digest, and looked at again
//! every scan: what is new or changed is compiled and takes the old one's place; tasks that run finish on what they
//! began with. A file that can't be used is known by name with its reason, and does not hold back the others.
//!
//! What a component becomes once it is compiled is decided by whoever makes the registry (the sandbox, in the service):
//! this part only holds it.

mod cache;
mod compile;
mod digest;
mod store;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use event_driven::names::TaskName;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    cache::CompileCache,
    compile::{CompileError, Compiler},
    digest::{Digest, DigestError},
    store::{
        Change, ComponentStore, Progress, Pushed, Removed, StoreError, Stored, Switched, Upload, Version,
        VersionRecord, Versions,
    },
};

/// The components that can be executed, by name. `P` is what a component becomes when it is prepared for execution.
pub struct Components<P> {
    inner: Arc<Inner<P>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Makes a compiled component executable, or says why it can't be.
pub type Prepare<P> = Box<dyn Fn(&wasmtime::component::Component, Option<&str>) -> Result<P, String> + Send + Sync>;

struct Inner<P> {
    store: ComponentStore,
    compiler: Compiler,
    prepare: Prepare<P>,
    /// Written by a load only, which holds `loading` for as long as it takes; read by each task for a clone of an `Arc`.
    known: RwLock<HashMap<TaskName, Known<P>>>,
    /// One load at a time: a component is compiled once, however many tasks ask for it.
    loading: tokio::sync::Mutex<()>,
}

struct Known<P> {
    /// The version of the file that this was made of.
    stored: Stored,
    state: Result<Arc<Component<P>>, Arc<str>>,
    /// Why what lies there now could not be read; told once.
    unread: Option<Arc<str>>,
}

impl<P> Known<P> {
    /// Whether it can't be used for a reason that may go without a change of what is listed: a secret that its manifest names
    /// is not there yet, or its file is damaged in the store.
    fn may_come_right(&self) -> bool {
        self.state.is_err() && (self.stored.has_manifest() || self.unread.is_some())
    }
}

/// A component that can be executed.
pub struct Component<P> {
    /// The name under which tasks ask for it.
    pub name: TaskName,
    /// What it was compiled of.
    pub digest: Digest,
    /// What [`Prepare`] made of it.
    pub program: Arc<P>,
}

/// What a look-up finds.
pub enum Found<P> {
    /// The component, ready.
    Ready(Arc<Component<P>>),
    /// There is a file of that name, and it can't be used; why.
    Broken(Arc<str>),
    /// There is no file of that name.
    Missing,
}

impl<P: Send + Sync + 'static> Components<P> {
    /// Compiles everything in the store, then looks for changes every `scan` until [`Components::stop`].
    ///
    /// # Errors
    /// If the store can't be listed at all. A file that can't be used is logged and does not count.
    pub async fn load(
        store: ComponentStore,
        compiler: Compiler,
        prepare: Prepare<P>,
        scan: Duration,
    ) -> Result<Self, StoreError> {
        let inner = Arc::new(Inner {
            store,
            compiler,
            prepare,
            known: RwLock::default(),
            loading: tokio::sync::Mutex::default(),
        });
        inner.refresh().await?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(watch(inner.clone(), scan, stop.clone()));
        tasks.close();
        Ok(Self { inner, stop, tasks })
    }

    /// The component of that name. One that is not known is looked for in the store at once, so that a task published
    /// right after its upload finds it.
    pub async fn find(&self, name: &TaskName) -> Found<P> {
        match self.inner.get(name) {
            Found::Missing => {}
            known => return known,
        }
        if let Err(error) = self.inner.refresh_one(name).await {
            tracing::warn!(component.name = %name, %error, "the store could not be asked for component {name}: {error}");
        }
        self.inner.get(name)
    }

    /// Everything that is known: name, file and, where it can't be used, why.
    pub fn list(&self) -> Vec<(TaskName, Stored, Result<Digest, Arc<str>>)> {
        let known = self.inner.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = known
            .iter()
            .map(|(name, known)| {
                let state = known.state.as_ref().map(|component| component.digest.clone()).map_err(Arc::clone);
                (name.clone(), known.stored.clone(), state)
            })
            .collect();
        list.sort_by(|a, b| a.0.cmp(&b.0));
        list
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

impl<P: Send + Sync + 'static> Inner<P> {
    fn get(&self, name: &TaskName) -> Found<P> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.get(name).map(|known| &known.state) {
            Some(Ok(component)) => Found::Ready(component.clone()),
            Some(Err(reason)) => Found::Broken(reason.clone()),
            None => Found::Missing,
        }
    }

    /// Loads what is new or changed, forgets what is gone.
    async fn refresh(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.loading.lock().await;
        let stored = self.store.list().await?;
        let gone: Vec<_> = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.keys().filter(|name| !stored.iter().any(|stored| stored.name == **name)).cloned().collect()
        };
        for name in gone {
            self.known.write().unwrap_or_else(PoisonError::into_inner).remove(&name);
            tracing::info!(component.name = %name, "component {name} is gone");
        }
        for stored in stored {
            self.load_if_changed(stored).await;
        }
        Ok(())
    }

    async fn refresh_one(&self, name: &TaskName) -> Result<(), StoreError> {
        let _one_at_a_time = self.loading.lock().await;
        if let Some(stored) = self.store.head(name).await? {
            self.load_if_changed(stored).await;
        }
        Ok(())
    }

    async fn load_if_changed(&self, stored: Stored) {
        let unchanged = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.get(&stored.name).is_some_and(|known| known.stored == stored && !known.may_come_right())
        };
        if unchanged {
            return;
        }
        let name = stored.name.clone();
        let bytes = match self.store.read(&stored).await {
            Ok(bytes) => bytes,
            Err(error) => return self.keep(stored, &error),
        };
        let manifest = match self.store.manifest(&stored).await {
            Ok(manifest) => Ok(manifest),
            Err(error @ StoreError::NoManifest { .. }) => Err(error.to_string()),
            Err(error) => return self.keep(stored, &error),
        };
        let made = match manifest {
            Ok(manifest) => self.make(&name, bytes, manifest.as_deref()).await,
            Err(reason) => Err(reason),
        };
        let state = match made {
            Ok(component) => {
                tracing::info!(component.name = %name, component.digest = %component.digest,
                    "component {name} is ready ({})", bytesize::ByteSize(stored.size));
                Ok(Arc::new(component))
            }
            Err(reason) => {
                if !self.is_known_as(&name, &reason) {
                    tracing::warn!(component.name = %name, "component {name} can't be used: {reason}");
                }
                Err(reason.into())
            }
        };
        let known = Known { stored, state, unread: None };
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(name, known);
    }

    /// What lies there now can't be read: what is in use stays in use, and the next scan tries again.
    fn keep(&self, stored: Stored, error: &StoreError) {
        let (name, reason) = (stored.name.clone(), Arc::<str>::from(error.to_string()));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let told = known.get_mut(&name).and_then(|known| known.unread.replace(reason.clone()));
        if told.as_ref() != Some(&reason) {
            tracing::warn!(component.name = %name, %error, "component {name} can't be read and stays as it was: {reason}");
        }
        if !error.may_pass() {
            known.entry(name).or_insert(Known { stored, state: Err(reason.clone()), unread: Some(reason) });
        }
    }

    fn is_known_as(&self, name: &TaskName, reason: &str) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(name).is_some_and(|known| known.state.as_ref().err().is_some_and(|known| **known == *reason))
    }

    async fn make(&self, name: &TaskName, bytes: Bytes, manifest: Option<&str>) -> Result<Component<P>, String> {
        let (digest, component) = self.compiler.compile(bytes).await.map_err(|error| error.to_string())?;
        let program = Arc::new((self.prepare)(&component, manifest)?);
        Ok(Component { name: name.clone(), digest, program })
    }
}

async fn watch<P: Send + Sync + 'static>(inner: Arc<Inner<P>>, scan: Duration, stop: CancellationToken) {
    let mut unreadable = false;
    // A scan that is cut off is begun anew at the next start: nothing is half done, a component is put in place whole.
    while stop.run_until_cancelled(tokio::time::sleep(scan)).await.is_some() {
        let Some(refreshed) = stop.run_until_cancelled(inner.refresh()).await else { return };
        match refreshed {
            Ok(()) => unreadable = false,
            Err(error) if !unreadable => {
                unreadable = true;
                tracing::warn!(%error, "the store of components can't be read; those already loaded stay in use: {error}");
            }
            Err(_told_before) => {}
        }
    }
}
