//! What changes the store: a push, another version made current, a component taken away. Each decides what the next index
//! says; [`super::revise`] makes it the one that counts.

use bytes::Bytes;
use bytesize::ByteSize;
use chrono::Utc;
use event_driven::names::TaskName;

use super::{
    ComponentStore, MAX_COMPONENT, MAX_MANIFEST, Progress, StoreError, Version, VersionRecord, Versions, revise::Step,
};
use crate::components::Digest;

/// The longest name of who pushed that is kept, in characters.
const MAX_BY: usize = 200;

/// What is pushed.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The component's file. Whether it is one is for the caller to check.
    pub bytes: Bytes,
    /// Its manifest, checked by the caller. `None`: the one that the component has, if it has one.
    pub manifest: Option<String>,
    /// Who pushes it, for others to read.
    pub by: String,
    /// What the component imports, for others to read.
    pub imports: Vec<String>,
}

/// What a push has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The version that is current now.
    pub record: VersionRecord,
    /// How it came to that.
    pub change: Change,
}

/// How what was pushed has become the current version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// As a new version.
    Added,
    /// The same file with the same manifest was a version already, and is current again.
    Again,
    /// It was the current one already: nothing was changed.
    Unchanged,
}

/// What making another version current has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    /// The version that is current now.
    pub record: VersionRecord,
    /// The one that was, which may be the same. `None`: the component had been removed.
    pub before: Option<Version>,
}

/// What taking a component away has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// This version is no longer current. All versions stay, and can be used again.
    Version(Version),
    /// The files that lay loose are gone.
    Loose,
    /// There was no such component.
    Nothing,
}

impl ComponentStore {
    /// Stores a component and makes it current. The same file with the same manifest is one version, however often it is
    /// pushed: if it is current nothing changes, if it is an older one that becomes current again.
    ///
    /// # Errors
    /// If file or manifest are too large, a component's name differs from this one only in case, or the store refuses
    /// it. Then nothing has changed for those who read, except that a store whose answer was lost may have taken it: the
    /// same push again is right in each case.
    pub async fn push(&self, name: &TaskName, upload: Upload) -> Result<Pushed, StoreError> {
        self.push_watched(name, upload, &|_| {}).await
    }

    /// The same, and tells how far it is with the file.
    ///
    /// # Errors
    /// As [`ComponentStore::push`].
    pub async fn push_watched(
        &self,
        name: &TaskName,
        upload: Upload,
        progress: Progress<'_>,
    ) -> Result<Pushed, StoreError> {
        self.push_if(name, upload, progress, |_| true).await
    }

    /// The same as [`ComponentStore::push`]; an upload that brings no manifest was checked with `kept`, the one that the
    /// component had then (`None`: none).
    ///
    /// # Errors
    /// As [`ComponentStore::push`], and [`StoreError::OtherManifest`] if the component would keep another one by now.
    pub async fn push_checked(
        &self,
        name: &TaskName,
        upload: Upload,
        kept: Option<&str>,
    ) -> Result<Pushed, StoreError> {
        self.push_if(name, upload, &|_| {}, |keeps| keeps == kept).await
    }

    async fn push_if(
        &self,
        name: &TaskName,
        upload: Upload,
        progress: Progress<'_>,
        may_keep: impl Fn(Option<&str>) -> bool,
    ) -> Result<Pushed, StoreError> {
        let Upload { bytes, manifest, by, imports } = upload;
        let size = ByteSize(bytes.len() as u64);
        if size > MAX_COMPONENT {
            return Err(StoreError::TooLarge { name: name.clone(), size });
        }
        if manifest.as_ref().is_some_and(|text| ByteSize(text.len() as u64) > MAX_MANIFEST) {
            return Err(StoreError::NoManifest { name: name.clone() });
        }
        self.place.in_time(self.place.ensure_no_twin(name)).await?;
        self.place.ensure_creates().await?;
        self.place.remove_leftovers(name).await;
        let loose_manifest = self.loose_manifest(name).await?;
        let digest = Digest::of_file(bytes.clone()).await;
        self.place.put_blob(&digest, &bytes, progress).await?;
        let by: String = by.chars().filter(|c| !c.is_control()).take(MAX_BY).collect();
        let step = |before: Option<&Versions>| {
            let had = match before {
                Some(versions) => versions.current().and_then(|current| current.manifest.clone()),
                None => loose_manifest.as_deref().map(Into::into),
            };
            if manifest.is_none() && !may_keep(had.as_deref()) {
                return Err(StoreError::OtherManifest { name: name.clone() });
            }
            let manifest = manifest.as_deref().map(Into::into).or(had);
            let mut versions = before.cloned().unwrap_or_default();
            let same = versions.all.iter().find(|record| record.digest == digest && record.manifest == manifest);
            if let Some(record) = same.cloned() {
                let before = versions.current.replace(record.number);
                return Ok(match before == Some(record.number) {
                    true => Step::Keep(Pushed { record, change: Change::Unchanged }),
                    false => Step::Write(versions, Pushed { record, change: Change::Again }),
                });
            }
            let record = VersionRecord {
                number: versions.next_number(),
                digest: digest.clone(),
                size_bytes: size.as_u64(),
                uploaded_at: Utc::now(),
                by: by.clone(),
                imports: imports.clone(),
                manifest,
            };
            versions.add(record.clone());
            Ok(Step::Write(versions, Pushed { record, change: Change::Added }))
        };
        self.place.change(name, step).await
    }

    /// The manifest that lies beside a loose component.
    async fn loose_manifest(&self, name: &TaskName) -> Result<Option<String>, StoreError> {
        match self.place.in_time(self.place.find_loose(name)).await?.and_then(|loose| loose.manifest) {
            Some(file) => self.place.in_time(self.place.read_loose_manifest(name, &file)).await.map(Some),
            None => Ok(None),
        }
    }

    /// All versions of a component. `None`: it has no index, as one that was put there by hand.
    ///
    /// # Errors
    /// If the store can't be asked, or the index can't be understood.
    pub async fn versions(&self, name: &TaskName) -> Result<Option<Versions>, StoreError> {
        let versions = self.place.in_time(self.place.versions_of(name)).await?;
        Ok(versions.map(|(_, versions)| versions))
    }

    /// Makes a version current that the component has: back to an older one, or forth again.
    ///
    /// # Errors
    /// If there is no such component or version, its file is gone, or the store refuses it.
    pub async fn use_version(&self, name: &TaskName, version: Version) -> Result<Switched, StoreError> {
        let Some(versions) = self.versions(name).await? else { return Err(self.no_index(name).await?) };
        // Runtimes would refuse what is not what was pushed, and go on with the version that is to be left.
        let blob = self.place.read_blob(name, find(name, &versions, version)?);
        self.place.in_time_for_file(blob).await?;
        self.place.ensure_creates().await?;
        let step = |before: Option<&Versions>| {
            let mut versions = before.cloned().unwrap_or_default();
            let record = find(name, &versions, version)?.clone();
            let before = versions.current.replace(version);
            let switched = Switched { record, before };
            Ok(if before == Some(version) { Step::Keep(switched) } else { Step::Write(versions, switched) })
        };
        self.place.change(name, step).await
    }

    async fn no_index(&self, name: &TaskName) -> Result<StoreError, StoreError> {
        Ok(match self.place.in_time(self.place.find_loose(name)).await? {
            Some(_) => StoreError::Loose { name: name.clone() },
            None => StoreError::Missing { name: name.clone(), url: self.place.url.clone() },
        })
    }

    /// Takes a component away. Its versions stay; the next push goes on with their numbers. One that was put there by hand
    /// has none, and is gone.
    ///
    /// # Errors
    /// If the store can't be asked or refuses it, or the index can't be understood.
    pub async fn remove(&self, name: &TaskName) -> Result<Removed, StoreError> {
        if self.versions(name).await?.is_none() {
            let removed = self.place.in_time(self.place.remove_loose(name)).await?;
            return Ok(if removed { Removed::Loose } else { Removed::Nothing });
        }
        self.place.ensure_creates().await?;
        let step = |before: Option<&Versions>| {
            let mut versions = before.cloned().unwrap_or_default();
            Ok(match versions.current.take() {
                None => Step::Keep(Removed::Nothing),
                Some(current) => Step::Write(versions, Removed::Version(current)),
            })
        };
        self.place.change(name, step).await
    }
}

fn find<'a>(name: &TaskName, versions: &'a Versions, version: Version) -> Result<&'a VersionRecord, StoreError> {
    let known = || match (versions.all.first(), versions.all.last()) {
        (Some(first), Some(last)) if first.number != last.number => format!("{} to {}", first.number, last.number),
        (Some(only), _) => format!("only {}", only.number),
        (None, _) => "none".to_owned(),
    };
    let missing = || StoreError::NoSuchVersion { name: name.clone(), version, known: known() };
    versions.find(version).ok_or_else(missing)
}
