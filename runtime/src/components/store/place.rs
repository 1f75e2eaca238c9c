//! Where the store is: a directory of this machine, or a bucket of S3, Google Cloud Storage or Azure.

use std::{path::PathBuf, sync::Arc, time::Duration};

use object_store::{ObjectStore, local::LocalFileSystem};
use url::Url;

use super::{StoreError, cloud};
use crate::tls;

/// How long a look at the store may take. The scan comes again, and someone at a terminal waits no longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the reading of a component's file may take, the largest at 2 MiB a second; or the sending of a part of one, at
/// 1 Mbit a second.
const FILE_PATIENCE: Duration = Duration::from_secs(64);

/// One store, and how it is named in errors.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) url: String,
    /// The directory that it is in. `None`: it is not on this machine.
    pub(super) directory: Option<PathBuf>,
}

impl Place {
    /// Opens it. A directory has to be there; a bucket is not asked before it is used.
    pub(super) fn open(url: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Store { url: url.into(), source };
        if let Some(directory) = directory_of(url) {
            std::fs::read_dir(&directory).map_err(|source| StoreError::Directory { url: url.into(), source })?;
            // What was said to be stored is on the disk.
            let objects = LocalFileSystem::new_with_prefix(&directory).map_err(failed)?.with_fsync(true);
            return Ok(Self { objects: Arc::new(objects), url: url.into(), directory: Some(directory) });
        }
        let unsupported = || StoreError::Unsupported { url: url.into() };
        let parsed = Url::parse(url).map_err(|_| unsupported())?;
        let prefix = variables_of(parsed.scheme()).ok_or_else(unsupported)?;
        // Its builder would take `TOKEN` or `ENDPOINT`, too, which are anybody's.
        let options = variables.filter(|(name, _)| name.starts_with(prefix));
        tls::install_ring();
        let objects = cloud::client(&parsed, options).map_err(failed)?;
        Ok(Self { objects, url: url.into(), directory: None })
    }

    /// Makes the directory, if it is one.
    pub(super) fn create_directory(url: &str) -> Result<(), StoreError> {
        let Some(directory) = directory_of(url) else { return Ok(()) };
        std::fs::create_dir_all(directory).map_err(|source| StoreError::Directory { url: url.into(), source })
    }

    /// An object store has no folders: a directory that is gone (a volume that is not mounted) would look like an empty one.
    pub(super) async fn ensure_there(&self) -> Result<(), StoreError> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let there = tokio::fs::read_dir(directory).await;
        there.map(drop).map_err(|source| StoreError::Directory { url: self.url.clone(), source })
    }

    /// A look at the store, which must not hold up its caller for as long as the client would try.
    pub(super) async fn in_time<T>(&self, look: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.within(PATIENCE, look).await
    }

    /// The same for a file, which may be large.
    pub(super) async fn in_time_for_file<T>(
        &self,
        transfer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.within(FILE_PATIENCE, transfer).await
    }

    async fn within<T>(
        &self,
        patience: Duration,
        look: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let slow = |_| StoreError::Slow { url: self.url.clone(), patience };
        tokio::time::timeout(patience, look).await.map_err(slow)?
    }

    pub(super) fn failed(&self, source: object_store::Error) -> StoreError {
        StoreError::Store { url: self.url.clone(), source }
    }
}

/// The variables of this process that are text.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text)
}

fn directory_of(url: &str) -> Option<PathBuf> {
    match url.split_once("://") {
        None => Some(PathBuf::from(url)),
        Some(("file", path)) => Some(PathBuf::from(path)),
        Some(_) => None,
    }
}

/// How the variables begin that each cloud's own tools read.
pub(super) fn variables_of(scheme: &str) -> Option<&'static str> {
    match scheme {
        "s3" | "s3a" => Some("AWS_"),
        "gs" => Some("GOOGLE_"),
        "az" | "azure" | "abfs" | "abfss" => Some("AZURE_"),
        _ => None,
    }
}
