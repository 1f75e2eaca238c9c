//! A push: a file, its manifest and its signature become a version, and the current one.
//!
//! What the next index says is decided here; [`super::revise`] makes it the one that counts.

use bytes::Bytes;
use bytesize::ByteSize;
use chrono::Utc;
use event_driven::names::TaskName;

use super::{ComponentStore, MAX_COMPONENT, MAX_MANIFEST, Progress, StoreError, VersionRecord, Versions, revise::Step};
use crate::components::{Digest, Signature, Signers, Statement};

/// The longest name of who pushed that is kept, in characters.
const MAX_BY: usize = 200;

/// What is pushed.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The component's file. Whether it is one is for the caller to check.
    pub bytes: Bytes,
    /// Its manifest, checked by the caller. `None`: the one that the component has, if it has one.
    pub manifest: Option<String>,
    /// What vouches for both. `None`: that of a version that is the same, if there is one.
    pub signature: Option<Signature>,
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

impl ComponentStore {
    /// Stores a component and makes it current. The same file with the same manifest is one version, however often it is
    /// pushed: if it is current nothing changes, if it is an older one that becomes current again. With another signature
    /// it is another version, as a version never changes.
    ///
    /// # Errors
    /// If it is not signed as it has to be, file or manifest are too large, a component's name differs from this one only
    /// in case, or the store refuses it. Then nothing has changed for those who read, except that a store whose answer was
    /// lost may have taken it: the same push again is right in each case.
    pub async fn push(&self, name: &TaskName, upload: Upload) -> Result<Pushed, StoreError> {
        self.push_keeping(Keep::Any, name, upload, &|_| {}).await
    }

    /// The manifest that a push without one of its own keeps, as things are now. `None`: none.
    ///
    /// # Errors
    /// If the store can't be asked, or what it has there can't be understood.
    pub async fn kept_manifest(&self, name: &TaskName) -> Result<Option<String>, StoreError> {
        match self.head(name).await? {
            Some(stored) => self.manifest(&stored).await,
            None => Ok(None),
        }
    }

    /// The same as [`ComponentStore::push`], and tells how far it is with the file. An upload that brings no manifest was
    /// checked with `kept`, the [`ComponentStore::kept_manifest`] of then.
    ///
    /// # Errors
    /// As [`ComponentStore::push`], and [`StoreError::OtherManifest`] if the component would keep another one by now.
    pub async fn push_checked(
        &self,
        name: &TaskName,
        upload: Upload,
        kept: Option<&str>,
        progress: Progress<'_>,
    ) -> Result<Pushed, StoreError> {
        self.push_keeping(Keep::Only(kept), name, upload, progress).await
    }

    async fn push_keeping(
        &self,
        keep: Keep<'_>,
        name: &TaskName,
        upload: Upload,
        progress: Progress<'_>,
    ) -> Result<Pushed, StoreError> {
        let bytes = upload.bytes.clone();
        let size = ByteSize(bytes.len() as u64);
        if size > MAX_COMPONENT {
            return Err(StoreError::TooLarge { name: name.clone(), size });
        }
        match upload.manifest.as_ref().map(|text| ByteSize(text.len() as u64)) {
            Some(size) if size > MAX_MANIFEST => return Err(StoreError::NoManifest { name: name.clone(), size }),
            Some(_) | None => {}
        }
        self.place.in_time(self.place.ensure_no_twin(name)).await?;
        let push = self.begin(keep, name, upload).await?;
        self.place.ensure_creates().await?;
        self.place.remove_leftovers(name).await;
        self.place.put_blob(&push.digest, &bytes, progress).await?;
        self.place.change(name, |before| push.step(before)).await
    }

    /// Whether a push of this would be refused because of its signature: to be asked before anything is done with the file
    /// that a stranger should not have done.
    ///
    /// # Errors
    /// If so, or if the store can't be asked.
    pub async fn ensure_signed(&self, name: &TaskName, upload: &Upload) -> Result<(), StoreError> {
        match self.signers.are_required() {
            true => self.begin(Keep::Any, name, upload.clone()).await.map(drop),
            false => Ok(()),
        }
    }

    /// A push that is signed as it has to be, as the index is now.
    async fn begin<'a>(&'a self, keep: Keep<'a>, name: &TaskName, upload: Upload) -> Result<Push<'a>, StoreError> {
        let push = Push {
            name: name.clone(),
            keep,
            digest: Digest::of_file(upload.bytes.clone()).await,
            loose_manifest: self.loose_manifest(name).await?,
            upload,
            signers: &self.signers,
        };
        if self.signers.are_required() {
            // Before the file is stored: what is refused leaves nothing behind.
            push.step(self.versions(name).await?.as_ref())?;
        }
        Ok(push)
    }

    /// The manifest that lies beside a loose component.
    async fn loose_manifest(&self, name: &TaskName) -> Result<Option<String>, StoreError> {
        match self.place.in_time(self.place.find_loose(name)).await?.and_then(|loose| loose.manifest) {
            Some(file) => self.place.in_time(self.place.read_loose_manifest(name, &file)).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Which manifest a push without one of its own may keep.
#[derive(Clone, Copy)]
enum Keep<'a> {
    /// Whichever the component has when the push is done.
    Any,
    /// The one that its file was checked with.
    Only(Option<&'a str>),
}

/// A push under way.
struct Push<'a> {
    name: TaskName,
    keep: Keep<'a>,
    digest: Digest,
    upload: Upload,
    loose_manifest: Option<String>,
    signers: &'a Signers,
}

impl Push<'_> {
    /// What it makes of an index.
    fn step(&self, before: Option<&Versions>) -> Result<Step<Pushed>, StoreError> {
        let Upload { bytes, manifest, signature, by, imports } = &self.upload;
        let had = match before {
            Some(versions) => versions.current().and_then(|current| current.manifest.clone()),
            None => self.loose_manifest.as_deref().map(Into::into),
        };
        if let (None, Keep::Only(kept)) = (manifest, self.keep)
            && had.as_deref() != kept
        {
            return Err(StoreError::OtherManifest { name: self.name.clone() });
        }
        let manifest = manifest.as_deref().map(Into::into).or(had);
        let statement = Statement::new(&self.name, &self.digest, manifest.as_deref());
        let mut versions = before.cloned().unwrap_or_default();
        let is_same = |record: &&VersionRecord| {
            record.digest == self.digest
                && record.manifest == manifest
                && (signature.is_none() || record.signature == *signature)
                && self.signers.ensure(&statement, record.signature.as_ref()).is_ok()
        };
        // Several may differ in their signatures alone: if one of them is current, nothing is to be changed.
        let same = versions.current().filter(is_same).or_else(|| versions.all.iter().rfind(is_same));
        if let Some(record) = same.cloned() {
            let before = versions.current.replace(record.number);
            return Ok(match before == Some(record.number) {
                true => Step::Keep(Pushed { record, change: Change::Unchanged }),
                false => Step::Write(versions, Pushed { record, change: Change::Again }),
            });
        }
        self.signers.ensure(&statement, signature.as_ref()).map_err(|reason| StoreError::NotSigned {
            name: self.name.clone(),
            reason,
            keeps_manifest: self.upload.manifest.is_none() && manifest.is_some(),
        })?;
        let record = VersionRecord {
            number: versions.next_number(),
            digest: self.digest.clone(),
            size_bytes: bytes.len() as u64,
            uploaded_at: Utc::now(),
            by: by.chars().filter(|c| !c.is_control()).take(MAX_BY).collect(),
            imports: imports.clone(),
            manifest,
            signature: signature.clone(),
        };
        versions.add(record.clone());
        Ok(Step::Write(versions, Pushed { record, change: Change::Added }))
    }
}
