//! A store for a test, and its objects as anyone else may see and change them.

use std::{
    sync::Arc,
    sync::atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use object_store::{
    ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, local::LocalFileSystem, path::Path, prefix::PrefixStore,
};
use tempfile::TempDir;
use warren::components::{ComponentStore, Pushed, Upload};

use crate::s3::S3;

pub(crate) enum Fixture {
    Directory(TempDir, AtomicU32),
    S3(S3, AtomicU32),
}

impl Fixture {
    pub(crate) fn directory() -> Self {
        Self::Directory(tempfile::tempdir().unwrap(), AtomicU32::new(0))
    }

    pub(crate) fn s3(server: S3) -> Self {
        Self::S3(server, AtomicU32::new(0))
    }

    /// A store of its own, empty.
    pub(crate) fn fresh(&self) -> Place<'_> {
        let count = match self {
            Self::Directory(_, count) | Self::S3(_, count) => count,
        };
        let folder = format!("store-{}", count.fetch_add(1, Ordering::Relaxed));
        match self {
            Self::Directory(root, _) => {
                let path = root.path().join(&folder);
                std::fs::create_dir(&path).unwrap();
                let objects = Arc::new(LocalFileSystem::new_with_prefix(&path).unwrap());
                Place { url: path.to_str().unwrap().to_owned(), objects, fixture: self }
            }
            Self::S3(server, _) => {
                let options = server.variables().into_iter();
                let builder = options.fold(AmazonS3Builder::new(), |builder, (name, value)| {
                    builder.with_config(name.to_ascii_lowercase().parse().unwrap(), value)
                });
                warren::tls::install_ring();
                let bucket = builder.with_bucket_name("components").build().unwrap();
                let objects = Arc::new(PrefixStore::new(bucket, folder.as_str()));
                Place { url: format!("s3://components/{folder}"), objects, fixture: self }
            }
        }
    }
}

pub(crate) struct Place<'a> {
    pub(crate) url: String,
    pub(crate) objects: Arc<dyn ObjectStore>,
    fixture: &'a Fixture,
}

impl Place<'_> {
    /// As another process would open it.
    pub(crate) fn open(&self) -> ComponentStore {
        let variables = match self.fixture {
            Fixture::Directory(..) => Vec::new(),
            Fixture::S3(server, _) => server.variables(),
        };
        ComponentStore::open_with(&self.url, variables.into_iter()).unwrap()
    }

    pub(crate) async fn put(&self, path: &str, bytes: &'static [u8]) {
        self.objects.put(&Path::from(path), Bytes::from_static(bytes).into()).await.unwrap();
    }

    pub(crate) async fn delete(&self, path: &str) {
        self.objects.delete(&Path::from(path)).await.unwrap();
    }

    /// The names of what lies below a folder.
    pub(crate) async fn names(&self, folder: &str) -> Vec<String> {
        use futures_util::TryStreamExt;
        let listed: Vec<_> = self.objects.list(Some(&Path::from(folder))).try_collect().await.unwrap();
        let mut names: Vec<_> = listed.iter().map(|meta| meta.location.to_string()).collect();
        names.sort();
        names
    }
}

pub(crate) fn upload(bytes: impl Into<Bytes>, manifest: Option<&str>) -> Upload {
    let imports = vec!["wasi:cli/environment@0.2.6".to_owned()];
    Upload {
        bytes: bytes.into(),
        manifest: manifest.map(str::to_owned),
        signature: None,
        by: "me@here".into(),
        imports,
    }
}

pub(crate) async fn push(store: &ComponentStore, name: &str, bytes: &'static [u8]) -> Pushed {
    store.push(&name.parse().unwrap(), upload(bytes, None)).await.unwrap()
}
