//! The files of components, `blobs/<sha256 in hex>.wasm`: named by what they hold, so that none ever changes.

use bytes::Bytes;
use bytesize::ByteSize;
use event_driven::names::TaskName;
use object_store::{GetResult, ObjectStoreExt, PutPayload, path::Path};

use super::{MAX_COMPONENT, StoreError, VersionRecord, place::Place};
use crate::components::Digest;

/// What is sent in one request. Larger files are sent in parts, each of which is tried again for itself.
const PART: usize = 8 << 20;

/// Is told how many bytes more are stored.
pub type Progress<'a> = &'a (dyn Fn(u64) + Send + Sync);

impl Place {
    /// Stores a file, unless it is there and whole. Nobody finds it before an index names it.
    pub(super) async fn put_blob(
        &self,
        digest: &Digest,
        bytes: &Bytes,
        progress: Progress<'_>,
    ) -> Result<(), StoreError> {
        let path = path_of(digest);
        if self.in_time_for_file(self.is_whole(&path, digest, bytes)).await? {
            progress(bytes.len() as u64);
            return Ok(());
        }
        match bytes.len() {
            0..=PART => {
                self.sent(self.objects.put(&path, PutPayload::from_bytes(bytes.clone()))).await?;
                progress(bytes.len() as u64);
                Ok(())
            }
            _ => self.put_parts(&path, bytes, progress).await,
        }
    }

    /// What is sent in one request, in time.
    async fn sent<T>(&self, request: impl Future<Output = object_store::Result<T>>) -> Result<T, StoreError> {
        self.in_time_for_file(async { request.await.map_err(|source| self.failed(source)) }).await
    }

    /// A file that was damaged in the store is replaced when it is pushed again.
    async fn is_whole(&self, path: &Path, digest: &Digest, bytes: &Bytes) -> Result<bool, StoreError> {
        let object = match self.objects.get(path).await {
            Ok(object) if object.meta.size == bytes.len() as u64 => object,
            Ok(_) | Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(source) => return Err(self.failed(source)),
        };
        Ok(self.digest_of(object).await? == *digest)
    }

    async fn digest_of(&self, object: GetResult) -> Result<Digest, StoreError> {
        Digest::of_stream(object.into_stream()).await.map_err(|source| self.failed(source))
    }

    async fn put_parts(&self, path: &Path, bytes: &Bytes, progress: Progress<'_>) -> Result<(), StoreError> {
        let mut upload = self.sent(self.objects.put_multipart(path)).await?;
        for start in (0..bytes.len()).step_by(PART) {
            let part = bytes.slice(start..bytes.len().min(start.saturating_add(PART)));
            let length = part.len() as u64;
            if let Err(error) = self.sent(upload.put_part(PutPayload::from_bytes(part))).await {
                // The error that counts is the one before.
                let _ = self.in_time(async { Ok(upload.abort().await) }).await;
                return Err(error);
            }
            progress(length);
        }
        self.sent(upload.complete()).await.map(drop)
    }

    /// The file of a version, if it is what was pushed.
    pub(super) async fn read_blob(&self, name: &TaskName, record: &VersionRecord) -> Result<Bytes, StoreError> {
        let object = self.find_blob(name, record).await?;
        let bytes = object.bytes().await.map_err(|source| self.failed(source))?;
        ensure_digest(name, record, Digest::of_file(bytes.clone()).await)?;
        Ok(bytes)
    }

    /// That the file of a version is what was pushed. It is not held in memory.
    pub(super) async fn ensure_blob(&self, name: &TaskName, record: &VersionRecord) -> Result<(), StoreError> {
        let object = self.find_blob(name, record).await?;
        ensure_digest(name, record, self.digest_of(object).await?)
    }

    async fn find_blob(&self, name: &TaskName, record: &VersionRecord) -> Result<GetResult, StoreError> {
        let path = path_of(&record.digest);
        let object = self.objects.get(&path).await.map_err(|source| self.no_blob(name, record, source))?;
        match ByteSize(object.meta.size) {
            size if size > MAX_COMPONENT => Err(StoreError::TooLarge { name: name.clone(), size }),
            _ => Ok(object),
        }
    }

    fn no_blob(&self, name: &TaskName, record: &VersionRecord, source: object_store::Error) -> StoreError {
        match source {
            object_store::Error::NotFound { .. } => {
                let path = path_of(&record.digest).to_string();
                StoreError::NoBlob { name: name.clone(), version: record.number, path }
            }
            source => self.failed(source),
        }
    }
}

fn ensure_digest(name: &TaskName, record: &VersionRecord, found: Digest) -> Result<(), StoreError> {
    if found == record.digest {
        return Ok(());
    }
    let (name, expected) = (name.clone(), record.digest.clone());
    Err(StoreError::WrongDigest { name, version: record.number, expected, found })
}

fn path_of(digest: &Digest) -> Path {
    Path::from(format!("blobs/{}.wasm", digest.hex()))
}
