//! Components that lie loose in the store: `<name>.wasm`, with `<name>.toml` and `<name>.wasm.sig` beside it, put there by hand.
//!
//! They have no versions: what lies there is what is executed, and who replaces a file has replaced the component.

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

use bytes::Bytes;
use bytesize::ByteSize;
use chrono::{DateTime, SubsecRound, Utc};
use event_driven::names::TaskName;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use super::{MAX_COMPONENT, MAX_MANIFEST, StoreError, place::Place};
use crate::components::Signature;

const EXTENSION: &str = "wasm";

const MANIFEST_EXTENSION: &str = "toml";

const SIGNATURE_EXTENSION: &str = "wasm.sig";

/// The largest file that is read for a signature. One has 88 characters, and line breaks perhaps.
const MAX_SIGNATURE: u64 = 1024;

/// One state of an object that may be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileState {
    pub(super) size: u64,
    pub(super) modified: DateTime<Utc>,
    pub(super) e_tag: Option<String>,
}

impl FileState {
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        // S3 tells it to the millisecond in a list and to the second elsewhere; the e-tag knows better anyway.
        let modified = meta.last_modified.trunc_subsecs(0);
        Self { size: meta.size, modified, e_tag: meta.e_tag.clone() }
    }
}

/// A component's file, its manifest's and its signature's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loose {
    pub(super) file: FileState,
    pub(super) manifest: Option<FileState>,
    pub(super) signature: Option<FileState>,
}

impl Place {
    /// Every loose component, by name. Other files are passed over; a `.wasm` whose name no task can have is logged.
    pub(super) async fn list_loose(&self) -> Result<BTreeMap<TaskName, Loose>, StoreError> {
        let listed = self.objects.list_with_delimiter(None).await.map_err(|source| self.failed(source))?;
        let stem = |meta: &ObjectMeta, extension| {
            Some(meta.location.filename()?.strip_suffix(extension)?.strip_suffix('.')?.to_owned())
        };
        let of_extension = |extension| -> HashMap<String, FileState> {
            let state = |meta| Some((stem(meta, extension)?, FileState::of(meta)));
            listed.objects.iter().filter_map(state).collect()
        };
        let (mut manifests, mut signatures) = (of_extension(MANIFEST_EXTENSION), of_extension(SIGNATURE_EXTENSION));
        let of_component = |meta: &ObjectMeta| {
            let stem = stem(meta, EXTENSION)?;
            let name = stem.parse().inspect_err(|error| warn_while_fresh(meta, error)).ok()?;
            let (manifest, signature) = (manifests.remove(&stem), signatures.remove(&stem));
            Some((name, Loose { file: FileState::of(meta), manifest, signature }))
        };
        Ok(listed.objects.iter().filter_map(of_component).collect())
    }

    /// The loose component of that name.
    pub(super) async fn find_loose(&self, name: &TaskName) -> Result<Option<Loose>, StoreError> {
        let Some(file) = self.state_of(&path_of(name, EXTENSION)).await? else { return Ok(None) };
        let manifest = self.state_of(&path_of(name, MANIFEST_EXTENSION)).await?;
        let signature = self.state_of(&path_of(name, SIGNATURE_EXTENSION)).await?;
        Ok(Some(Loose { file, manifest, signature }))
    }

    async fn state_of(&self, path: &Path) -> Result<Option<FileState>, StoreError> {
        match self.objects.head(path).await {
            Ok(meta) => Ok(Some(FileState::of(&meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// The file of a loose component, in that very state.
    pub(super) async fn read_loose(&self, name: &TaskName, file: &FileState) -> Result<Bytes, StoreError> {
        match ByteSize(file.size) {
            size if size > MAX_COMPONENT => Err(StoreError::TooLarge { name: name.clone(), size }),
            _ => self.read_state(name, EXTENSION, file).await,
        }
    }

    /// The manifest of a loose component, in that very state.
    pub(super) async fn read_loose_manifest(&self, name: &TaskName, file: &FileState) -> Result<String, StoreError> {
        let size = ByteSize(file.size);
        let no_manifest = || StoreError::NoManifest { name: name.clone(), size };
        if size > MAX_MANIFEST {
            return Err(no_manifest());
        }
        let bytes = self.read_state(name, MANIFEST_EXTENSION, file).await?;
        String::from_utf8(bytes.into()).map_err(|_| no_manifest())
    }

    /// The signature of a loose component, in that very state.
    pub(super) async fn read_loose_signature(
        &self,
        name: &TaskName,
        file: &FileState,
    ) -> Result<Signature, StoreError> {
        let no_signature = || StoreError::NoSignature { name: name.clone() };
        if file.size > MAX_SIGNATURE {
            return Err(no_signature());
        }
        let bytes = self.read_state(name, SIGNATURE_EXTENSION, file).await?;
        str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok()).ok_or_else(no_signature)
    }

    async fn read_state(&self, name: &TaskName, extension: &str, file: &FileState) -> Result<Bytes, StoreError> {
        let options = GetOptions { if_match: file.e_tag.clone(), ..GetOptions::default() };
        let replaced = |source| match source {
            object_store::Error::NotFound { .. } | object_store::Error::Precondition { .. } => {
                StoreError::Replaced { name: name.clone() }
            }
            source => self.failed(source),
        };
        let object = self.objects.get_opts(&path_of(name, extension), options).await.map_err(replaced)?;
        object.bytes().await.map_err(|source| self.failed(source))
    }

    /// Takes a loose component away; the file first, so that it is never executed without its manifest.
    pub(super) async fn remove_loose(&self, name: &TaskName) -> Result<bool, StoreError> {
        // Also a manifest that is left alone, of a removal that was cut off: the next file of that name would have it.
        let mut removed = false;
        for extension in [EXTENSION, MANIFEST_EXTENSION, SIGNATURE_EXTENSION] {
            let path = path_of(name, extension);
            if self.state_of(&path).await?.is_none() {
                continue;
            }
            match self.objects.delete(&path).await {
                Ok(()) => removed = true,
                Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => return Err(self.failed(source)),
            }
        }
        Ok(removed)
    }
}

fn path_of(name: &TaskName, extension: &str) -> Path {
    Path::from(format!("{name}.{extension}"))
}

/// Told for as long as the file is fresh, not at every scan for ever.
fn warn_while_fresh(meta: &ObjectMeta, error: &event_driven::names::TaskNameError) {
    let age = DateTime::<Utc>::from(SystemTime::now()) - meta.last_modified;
    if age.num_seconds() < 5 {
        tracing::warn!("{} can't be used: {error}", meta.location);
    }
}
