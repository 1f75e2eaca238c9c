//! Where components are kept: an object store that many runtimes share.
//!
//! What was pushed has versions: `blobs/<sha256>.wasm` are the files, which never change, and
//! `index/<name>/<8 digits>.json` say which of them a component has and which one is current. What lies loose at the top,
//! `<name>.wasm` with `<name>.toml` and `<name>.wasm.sig` beside it, was put there by hand and is a component without versions.
//!
//! Two things are asked of the store: that it creates an object only if none is there, as a whole or not at all, and that
//! a listing shows what was created before it. A directory does that, and S3, Google Cloud Storage and Azure do. A push puts the file first and the index last; one
//! that is killed between them has changed nothing.

mod blobs;
mod change;
mod cloud;
mod error;
mod index;
mod leftovers;
mod loose;
mod place;
mod push;
mod revise;
mod revisions;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use bytesize::ByteSize;
use chrono::{DateTime, Utc};
use event_driven::names::TaskName;

pub use self::{
    blobs::Progress,
    change::{Removed, Switched},
    error::StoreError,
    index::{Version, VersionRecord, Versions},
    push::{Change, Pushed, Upload},
};
use self::{loose::Loose, place::Place, revisions::Seen};
use super::{Digest, Signature, Signers};

/// The largest file that is read. The setting `components.max_size` goes up to this.
const MAX_COMPONENT: ByteSize = ByteSize::mib(128);

/// The largest manifest that is read.
const MAX_MANIFEST: ByteSize = ByteSize::kib(64);

/// The largest index that is read or written. With 200 versions and manifests of the usual size it has some 100 KiB.
const MAX_INDEX: ByteSize = ByteSize::mib(16);

/// An object store of components. Cheap to clone; clones share what they have read.
#[derive(Debug, Clone)]
pub struct ComponentStore {
    place: Arc<Place>,
    memory: Arc<Mutex<Memory>>,
    signers: Signers,
}

/// What earlier looks have found.
#[derive(Debug, Default)]
struct Memory {
    seen: BTreeMap<TaskName, Seen>,
    /// Loose components of which it was told that an index has taken their place.
    shadowed: HashSet<TaskName>,
    /// Why the last look did not find everything.
    trouble: Option<String>,
}

/// One component as it lies in the store. Equal to another one if nothing of it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The name under which tasks ask for it.
    pub name: TaskName,
    /// The file's length in bytes.
    pub size: u64,
    /// When it was pushed, by the clock of who pushed it; or when it was put there, by the store's clock.
    pub modified: DateTime<Utc>,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Version(Arc<VersionRecord>),
    Loose(Loose),
}

impl Stored {
    fn of_version(name: TaskName, record: Arc<VersionRecord>) -> Self {
        Self { name, size: record.size_bytes, modified: record.uploaded_at, source: Source::Version(record) }
    }

    fn of_loose(name: TaskName, loose: Loose) -> Self {
        Self { name, size: loose.file.size, modified: loose.file.modified, source: Source::Loose(loose) }
    }

    /// Whether it has a manifest.
    pub fn has_manifest(&self) -> bool {
        match &self.source {
            Source::Version(record) => record.manifest.is_some(),
            Source::Loose(loose) => loose.manifest.is_some(),
        }
    }

    /// Its digest where that is known without reading the file: of what was pushed.
    pub fn digest(&self) -> Option<&Digest> {
        self.version().map(|record| &record.digest)
    }

    /// The version that this is. `None`: it was put there by hand.
    pub fn version(&self) -> Option<&VersionRecord> {
        match &self.source {
            Source::Version(record) => Some(record),
            Source::Loose(_) => None,
        }
    }
}

impl ComponentStore {
    /// Opens the store at `url`: a directory, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`. What
    /// a cloud needs to know more is taken from the variables that its own tools read (`AWS_…`, `GOOGLE_…`, `AZURE_…`).
    ///
    /// # Errors
    /// If `url` is of another kind, the directory is not there or can't be read, or a variable makes no sense. A cloud is
    /// asked at the first use.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(url, place::environment())
    }

    /// The same with these variables.
    ///
    /// # Errors
    /// As [`ComponentStore::open`].
    pub fn open_with(url: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Self, StoreError> {
        let place = Arc::new(Place::open(url, variables)?);
        Ok(Self { place, memory: Arc::default(), signers: Signers::default() })
    }

    /// Opens the store at `url`, and makes the directory where it is missing.
    ///
    /// # Errors
    /// As [`ComponentStore::open`], and if the directory can't be made.
    pub fn open_or_create(url: &str) -> Result<Self, StoreError> {
        Place::create_directory(url)?;
        Self::open(url)
    }

    /// From now on only what one of these has signed is pushed, made current, and loaded from here. Without it, anything is.
    pub fn requiring(self, signers: Signers) -> Self {
        Self { signers, ..self }
    }

    /// Whose signatures count.
    pub fn signers(&self) -> &Signers {
        &self.signers
    }

    /// Every component that can be asked for, by name. Reads only the indexes that have changed since the last time; one
    /// that can't be understood leaves its component as it was.
    ///
    /// # Errors
    /// If the store can't be listed, or does not answer in time.
    pub async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        let listed = self.look().await;
        let (stored, unread) = match listed {
            Ok((stored, unread)) => (Ok(stored), unread.map(|error| error.to_string())),
            Err(error) => {
                let told = error.to_string();
                (Err(error), Some(told))
            }
        };
        let before = std::mem::replace(&mut self.memory().trouble, unread.clone());
        if let Some(told) = unread.filter(|_| stored.is_ok() && before.is_none()) {
            tracing::warn!("not all of the index could be read, those components stay as they were: {told}");
        }
        stored
    }

    async fn look(&self) -> Result<(Vec<Stored>, Option<StoreError>), StoreError> {
        self.place.in_time(self.place.ensure_there()).await?;
        let loose = self.place.in_time(self.place.list_loose()).await?;
        let look = self.look_at_all().await?;
        let mut components = BTreeMap::new();
        for (name, loose) in loose {
            match look.indexed.contains(&name) {
                true => self.tell_shadowed(&name),
                false => drop(components.insert(name.clone(), Stored::of_loose(name, loose))),
            }
        }
        for (name, seen) in look.seen {
            let stored = seen.current.map(|record| Stored::of_version(name.clone(), record));
            components.extend(stored.map(|stored| (name, stored)));
        }
        Ok((components.into_values().collect(), look.unread))
    }

    fn tell_shadowed(&self, name: &TaskName) {
        if self.memory().shadowed.insert(name.clone()) {
            tracing::warn!(component.name = %name,
                "{name}.wasm lies in the store and is passed over: component {name} has versions, and those count");
        }
    }

    /// The component of that name, if there is one.
    ///
    /// # Errors
    /// If the store can't be asked, or the component's index can't be understood and nothing is known from before.
    pub async fn head(&self, name: &TaskName) -> Result<Option<Stored>, StoreError> {
        match self.look_at(name).await? {
            Some(Seen { current: Some(record), .. }) => Ok(Some(Stored::of_version(name.clone(), record))),
            // What it says is told by reading it once more, as those do who show it.
            Some(Seen { garbage: Some(_), .. }) => self.place.versions_of(name).await.map(|_| None),
            Some(Seen { current: None, .. }) => Ok(None),
            None => {
                let loose = self.place.in_time(self.place.find_loose(name)).await?;
                Ok(loose.map(|loose| Stored::of_loose(name.clone(), loose)))
            }
        }
    }

    /// The file of a component, as it was when it was listed.
    ///
    /// # Errors
    /// If it is not what was pushed ([`StoreError::WrongDigest`]), is gone, too large or was replaced, or can't be read.
    pub async fn read(&self, stored: &Stored) -> Result<Bytes, StoreError> {
        match &stored.source {
            Source::Version(record) => self.place.in_time_for_file(self.place.read_blob(&stored.name, record)).await,
            Source::Loose(loose) => self.place.in_time_for_file(self.place.read_loose(&stored.name, &loose.file)).await,
        }
    }

    /// The text of a component's manifest, as it was when it was listed, if it has one.
    ///
    /// # Errors
    /// If it is no text, is too large, was replaced, or can't be read.
    pub async fn manifest(&self, stored: &Stored) -> Result<Option<String>, StoreError> {
        match &stored.source {
            Source::Version(record) => Ok(record.manifest.as_deref().map(str::to_owned)),
            Source::Loose(Loose { manifest: Some(file), .. }) => {
                self.place.in_time(self.place.read_loose_manifest(&stored.name, file)).await.map(Some)
            }
            Source::Loose(Loose { manifest: None, .. }) => Ok(None),
        }
    }

    /// The signature that came with a component, as it was when it was listed, if any did. Whether it is good is for
    /// [`Signers`] to say.
    ///
    /// # Errors
    /// If it is none ([`StoreError::NoSignature`]), was replaced, or can't be read.
    pub async fn signature(&self, stored: &Stored) -> Result<Option<Signature>, StoreError> {
        match &stored.source {
            Source::Version(record) => Ok(record.signature.clone()),
            Source::Loose(Loose { signature: Some(file), .. }) => {
                self.place.in_time(self.place.read_loose_signature(&stored.name, file)).await.map(Some)
            }
            Source::Loose(Loose { signature: None, .. }) => Ok(None),
        }
    }

    /// What was wrong with the store at the last [`ComponentStore::list`]: it could not be read, or an index in it can't be
    /// understood. What was known before stays in use.
    pub fn trouble(&self) -> Option<String> {
        let memory = self.memory();
        let garbage = || memory.seen.values().find_map(|seen| seen.garbage.as_ref()).map(|error| error.to_string());
        memory.trouble.clone().or_else(garbage)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
