//! Where components are kept: an object store with one object `<name>.wasm` for each, and its manifest `<name>.toml` beside
//! it if it has one.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::SystemTime};

use bytes::Bytes;
use bytesize::ByteSize;
use chrono::{DateTime, Utc};
use event_driven::names::TaskName;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem, path::Path};

use super::Digest;

/// The largest file that is read. The setting `components.max_size` goes up to this.
const MAX_COMPONENT: ByteSize = ByteSize::mib(128);

const EXTENSION: &str = "wasm";

const MANIFEST_EXTENSION: &str = "toml";

/// The largest manifest that is read.
const MAX_MANIFEST: ByteSize = ByteSize::kib(64);

/// An object store of components.
#[derive(Debug, Clone)]
pub struct ComponentStore {
    objects: Arc<dyn ObjectStore>,
    directory: PathBuf,
    url: String,
}

/// One version of one component's file and of its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The name under which tasks ask for it.
    pub name: TaskName,
    /// The file's length in bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: DateTime<Utc>,
    e_tag: Option<String>,
    manifest: Option<ManifestVersion>,
}

impl Stored {
    /// Whether it has a manifest.
    pub fn has_manifest(&self) -> bool {
        self.manifest.is_some()
    }

    /// The digest of its bytes, if that is known without reading them: not in a directory of files.
    pub fn digest(&self) -> Option<&Digest> {
        None
    }
}

/// One version of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ManifestVersion {
    size: u64,
    modified: DateTime<Utc>,
    e_tag: Option<String>,
}

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The setting names a kind of store that this build has no support for.
    #[error("components.url {url}: only a directory is supported (a path, or file:///path)")]
    Unsupported {
        /// The setting.
        url: String,
    },
    /// The directory is not there, or can't be read or made.
    #[error(
        "components.url {url}: the directory can't be used: {source}; make it, or name another (WARREN_COMPONENTS_URL)"
    )]
    Directory {
        /// The setting.
        url: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is too large to be taken for a component.
    #[error("{name}.{EXTENSION} has {size}, a component has at most {MAX_COMPONENT}")]
    TooLarge {
        /// The component.
        name: TaskName,
        /// The file's size.
        size: ByteSize,
    },
    /// A file is too large to be taken for a manifest, or no text.
    #[error("{name}.{MANIFEST_EXTENSION} is no manifest: a text of at most {MAX_MANIFEST}")]
    NoManifest {
        /// The component.
        name: TaskName,
    },
    /// The store does not answer as it should.
    #[error("the store of components at {url}: {source}")]
    Store {
        /// The setting.
        url: String,
        /// What the store says.
        source: object_store::Error,
    },
}

impl ComponentStore {
    /// Opens the store at `url`: a directory.
    ///
    /// # Errors
    /// If `url` is of an unsupported kind, or the directory is not there or can't be read.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let directory = directory_of(url)?;
        std::fs::read_dir(&directory).map_err(|source| StoreError::Directory { url: url.into(), source })?;
        let objects = LocalFileSystem::new_with_prefix(&directory)
            .map_err(|source| StoreError::Store { url: url.into(), source })?;
        Ok(Self { objects: Arc::new(objects), directory, url: url.into() })
    }

    /// Opens the store at `url`, and makes the directory where it is missing.
    ///
    /// # Errors
    /// As [`ComponentStore::open`], and if the directory can't be made.
    pub fn open_or_create(url: &str) -> Result<Self, StoreError> {
        let made = std::fs::create_dir_all(directory_of(url)?);
        made.map_err(|source| StoreError::Directory { url: url.into(), source })?;
        Self::open(url)
    }

    /// Every component's file, by name. Other files are passed over; a `.wasm` whose name no task can have is logged.
    ///
    /// # Errors
    /// If the store can't be listed.
    pub async fn list(&self) -> Result<Vec<Stored>, StoreError> {
        // An object store has no folders: one that is gone (a volume that is not mounted) would look like an empty one.
        let there = tokio::fs::read_dir(&self.directory).await;
        drop(there.map_err(|source| StoreError::Directory { url: self.url.clone(), source })?);
        let listed = self.objects.list_with_delimiter(None).await.map_err(|source| self.failed(source))?;
        let manifests: HashMap<String, ManifestVersion> = listed.objects.iter().filter_map(manifest_of).collect();
        let mut stored: Vec<_> = listed.objects.into_iter().filter_map(stored_of).collect();
        for stored in &mut stored {
            stored.manifest = manifests.get(stored.name.as_str()).cloned();
        }
        stored.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(stored)
    }

    /// The file of one component, if there is one.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub async fn head(&self, name: &TaskName) -> Result<Option<Stored>, StoreError> {
        let Some(meta) = self.meta(path_of(name, EXTENSION)).await? else { return Ok(None) };
        let Some(mut stored) = stored_of(meta) else { return Ok(None) };
        let manifest = self.meta(path_of(name, MANIFEST_EXTENSION)).await?;
        stored.manifest = manifest.and_then(|meta| manifest_of(&meta)).map(|(_, version)| version);
        Ok(Some(stored))
    }

    async fn meta(&self, path: Path) -> Result<Option<ObjectMeta>, StoreError> {
        match self.objects.head(&path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// The text of a component's manifest, if it has one.
    ///
    /// # Errors
    /// If it is no text, is too large, or can't be read.
    pub async fn manifest(&self, stored: &Stored) -> Result<Option<String>, StoreError> {
        let name = &stored.name;
        let object = match self.objects.get(&path_of(name, MANIFEST_EXTENSION)).await {
            Ok(object) => object,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(self.failed(source)),
        };
        if ByteSize(object.meta.size) > MAX_MANIFEST {
            return Err(StoreError::NoManifest { name: name.clone() });
        }
        let bytes = object.bytes().await.map_err(|source| self.failed(source))?;
        let text = String::from_utf8(bytes.into()).map_err(|_| StoreError::NoManifest { name: name.clone() })?;
        Ok(Some(text))
    }

    /// The bytes of one component's file.
    ///
    /// # Errors
    /// If it is not there, is too large, or can't be read.
    pub async fn read(&self, stored: &Stored) -> Result<Bytes, StoreError> {
        let name = &stored.name;
        let object = self.objects.get(&path_of(name, EXTENSION)).await.map_err(|source| self.failed(source))?;
        let size = ByteSize(object.meta.size);
        if size > MAX_COMPONENT {
            return Err(StoreError::TooLarge { name: name.clone(), size });
        }
        object.bytes().await.map_err(|source| self.failed(source))
    }

    /// Stores a component's file, whole or not at all; one of the same name is replaced.
    ///
    /// # Errors
    /// If the store refuses it.
    pub async fn put(&self, name: &TaskName, bytes: Bytes) -> Result<(), StoreError> {
        let put = self.objects.put(&path_of(name, EXTENSION), PutPayload::from_bytes(bytes)).await;
        put.map(drop).map_err(|source| self.failed(source))
    }

    /// Stores a component's manifest, whole or not at all; one of the same name is replaced.
    ///
    /// # Errors
    /// If it is too large, or the store refuses it.
    pub async fn put_manifest(&self, name: &TaskName, text: String) -> Result<(), StoreError> {
        if ByteSize(text.len() as u64) > MAX_MANIFEST {
            return Err(StoreError::NoManifest { name: name.clone() });
        }
        let put = self.objects.put(&path_of(name, MANIFEST_EXTENSION), PutPayload::from(text)).await;
        put.map(drop).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: object_store::Error) -> StoreError {
        StoreError::Store { url: self.url.clone(), source }
    }
}

fn directory_of(url: &str) -> Result<PathBuf, StoreError> {
    match url.split_once("://") {
        None => Ok(PathBuf::from(url)),
        Some(("file", path)) => Ok(PathBuf::from(path)),
        Some(_) => Err(StoreError::Unsupported { url: url.into() }),
    }
}

fn path_of(name: &TaskName, extension: &str) -> Path {
    Path::from(format!("{name}.{extension}"))
}

/// The version of a manifest, by the component's name.
fn manifest_of(meta: &ObjectMeta) -> Option<(String, ManifestVersion)> {
    let name = meta.location.filename()?.strip_suffix(MANIFEST_EXTENSION)?.strip_suffix('.')?;
    let version = ManifestVersion { size: meta.size, modified: meta.last_modified, e_tag: meta.e_tag.clone() };
    Some((name.to_owned(), version))
}

fn stored_of(meta: ObjectMeta) -> Option<Stored> {
    let name = meta.location.filename()?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    match name.parse() {
        Ok(name) => {
            Some(Stored { name, size: meta.size, modified: meta.last_modified, e_tag: meta.e_tag, manifest: None })
        }
        Err(error) => {
            // Told for as long as the file is fresh, not at every scan for ever.
            let age = DateTime::<Utc>::from(SystemTime::now()) - meta.last_modified;
            if age.num_seconds() < 5 {
                tracing::warn!("{name}.{EXTENSION} can't be used: {error}");
            }
            None
        }
    }
}
