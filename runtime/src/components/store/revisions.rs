//! Which revision of each index counts, and what it says.
//!
//! A scan lists the names of all revisions and reads only those that it has not read before. The highest number of a
//! component counts; it is never removed. A reader that listed a moment ago may find that revision gone, because so many
//! newer ones were made meanwhile: it lists that component anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use bytesize::ByteSize;
use event_driven::names::TaskName;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use super::{
    ComponentStore, MAX_INDEX, StoreError, VersionRecord, Versions,
    index::{FOLDER, folder_of, parse_path, path_of},
    loose::FileState,
    place::Place,
};

/// Revisions that are read at once.
const READS: usize = 16;

/// How often a revision is looked for that was overtaken before it could be read.
const LOOKS: u32 = 5;

/// The newest revision of one component, as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) revision: u32,
    state: FileState,
}

/// What is known of one component's index.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    newest: Newest,
    /// Its current version. If the newest revision can't be understood, that of the last one that could.
    pub(super) current: Option<Arc<VersionRecord>>,
    /// Why the newest revision can't be understood.
    pub(super) garbage: Option<Arc<StoreError>>,
}

/// What a look at all indexes has found.
pub(super) struct Look {
    /// All that have one, also one that could not be read.
    pub(super) indexed: BTreeSet<TaskName>,
    pub(super) seen: BTreeMap<TaskName, Seen>,
    /// Why some of them could not be read; then they are as they were.
    pub(super) unread: Option<StoreError>,
}

impl ComponentStore {
    /// What each component's index says. One that can't be read or understood leaves its component as it was.
    pub(super) async fn look_at_all(&self) -> Result<Look, StoreError> {
        let newest = self.place.in_time(self.place.list_newest(&Path::from(FOLDER))).await?;
        let (before, indexed) = (self.memory().seen.clone(), newest.keys().cloned().collect());
        let failed = AtomicBool::new(false);
        let look = async |(name, newest): (TaskName, Newest)| {
            let known = before.get(&name);
            // Where one can't be read, the others would only wait as long for the same.
            if failed.load(Ordering::Relaxed) {
                return (name, Ok(known.cloned()));
            }
            let seen = self.see(&name, newest, known).await;
            failed.fetch_or(seen.is_err(), Ordering::Relaxed);
            (name, seen)
        };
        let looks: Vec<_> = stream::iter(newest).map(look).buffer_unordered(READS).collect().await;
        let (mut seen, mut unread) = (BTreeMap::new(), None);
        for (name, look) in looks {
            let found = look.unwrap_or_else(|error| {
                unread = Some(error);
                before.get(&name).cloned()
            });
            seen.extend(found.map(|found| (name, found)));
        }
        self.memory().seen.clone_from(&seen);
        Ok(Look { indexed, seen, unread })
    }

    /// What one component's index says; `None` if it has none.
    pub(super) async fn look_at(&self, name: &TaskName) -> Result<Option<Seen>, StoreError> {
        let Some(newest) = self.place.in_time(self.place.newest_of(name)).await? else { return Ok(None) };
        let known = self.memory().seen.get(name).cloned();
        let seen = self.see(name, newest, known.as_ref()).await?;
        if let Some(seen) = &seen {
            self.memory().seen.insert(name.clone(), seen.clone());
        }
        Ok(seen)
    }

    async fn see(&self, name: &TaskName, newest: Newest, known: Option<&Seen>) -> Result<Option<Seen>, StoreError> {
        if let Some(known) = known.filter(|known| known.newest == newest) {
            return Ok(Some(known.clone()));
        }
        let garbage = |newest, error: StoreError| {
            tracing::error!(component.name = %name, %error, "component {name} stays as it was: {error}");
            let current = known.and_then(|known| known.current.clone());
            Some(Seen { newest, current, garbage: Some(Arc::new(error)) })
        };
        let (newest, bytes) = match self.place.in_time(self.place.read_newest(name, newest.clone())).await {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(None),
            // One that is far too large.
            Err(error @ StoreError::Garbage { .. }) => return Ok(garbage(newest, error)),
            Err(error) => return Err(error),
        };
        Ok(match parse(name, newest.revision, &bytes) {
            Ok(versions) => Some(Seen { newest, current: versions.current().cloned().map(Arc::new), garbage: None }),
            Err(error) => garbage(newest, error),
        })
    }
}

impl Place {
    /// The whole index of one component and the number of its revision, for those who change it or show it.
    pub(super) async fn versions_of(&self, name: &TaskName) -> Result<Option<(u32, Versions)>, StoreError> {
        let Some(newest) = self.newest_of(name).await? else { return Ok(None) };
        let Some((newest, bytes)) = self.read_newest(name, newest).await? else { return Ok(None) };
        Ok(Some((newest.revision, parse(name, newest.revision, &bytes)?)))
    }

    pub(super) async fn newest_of(&self, name: &TaskName) -> Result<Option<Newest>, StoreError> {
        Ok(self.list_newest(&folder_of(name)).await?.remove(name))
    }

    /// Only the newest ones are kept: however many there are, memory holds one for each component.
    async fn list_newest(&self, folder: &Path) -> Result<BTreeMap<TaskName, Newest>, StoreError> {
        let mut newest = BTreeMap::<TaskName, Newest>::new();
        let mut listed = self.objects.list(Some(folder));
        while let Some(meta) = listed.try_next().await.map_err(|source| self.failed(source))? {
            let Some((name, revision)) = parse_path(&meta.location) else { continue };
            if newest.get(&name).is_none_or(|newest| newest.revision < revision) {
                newest.insert(name, Newest { revision, state: FileState::of(&meta) });
            }
        }
        Ok(newest)
    }

    /// The bytes of the newest revision, or of one that is newer still.
    async fn read_newest(&self, name: &TaskName, listed: Newest) -> Result<Option<(Newest, Bytes)>, StoreError> {
        let mut newest = listed;
        for _ in 1..LOOKS {
            let path = path_of(name, newest.revision);
            match self.objects.get(&path).await {
                Ok(object) => {
                    if let Some(error) = too_large(name, &path, &object.meta) {
                        return Err(error);
                    }
                    let bytes = object.bytes().await.map_err(|source| self.failed(source))?;
                    return Ok(Some((newest, bytes)));
                }
                Err(object_store::Error::NotFound { .. }) => match self.newest_of(name).await? {
                    Some(newer) => newest = newer,
                    None => return Ok(None),
                },
                Err(source) => return Err(self.failed(source)),
            }
        }
        Err(StoreError::Contended { name: name.clone(), tries: LOOKS })
    }

    /// The numbers of all revisions of one component.
    pub(super) async fn revisions_of(&self, name: &TaskName) -> Result<Vec<u32>, StoreError> {
        let listed = self.objects.list(Some(&folder_of(name)));
        let metas: Vec<ObjectMeta> = listed.try_collect().await.map_err(|source| self.failed(source))?;
        Ok(metas.iter().filter_map(|meta| parse_path(&meta.location)).map(|(_, revision)| revision).collect())
    }

    /// The names of all components that have an index, also of those that were removed.
    pub(super) async fn indexed_names(&self) -> Result<Vec<TaskName>, StoreError> {
        let listed = self.objects.list_with_delimiter(Some(&Path::from(FOLDER))).await;
        let folders = listed.map_err(|source| self.failed(source))?.common_prefixes;
        Ok(folders.iter().filter_map(|folder| folder.filename()?.parse().ok()).collect())
    }
}

fn parse(name: &TaskName, revision: u32, bytes: &[u8]) -> Result<Versions, StoreError> {
    let garbage =
        |reason| StoreError::Garbage { name: name.clone(), path: path_of(name, revision).to_string(), reason };
    Versions::parse(name, bytes).map_err(garbage)
}

fn too_large(name: &TaskName, path: &Path, meta: &ObjectMeta) -> Option<StoreError> {
    let size = ByteSize(meta.size);
    let reason = || format!("it has {size}, an index has at most {MAX_INDEX}");
    (size > MAX_INDEX).then(|| StoreError::Garbage { name: name.clone(), path: path.to_string(), reason: reason() })
}
