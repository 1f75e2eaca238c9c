//! Compiled code on disk, so that a restart does not compile again.
//!
//! Compiled code is machine code: loading it is trusting it. It is therefore read only from the runtime's own directory,
//! never from the store of components, and each file starts with a hash of what follows, so that one that was cut off
//! or damaged is compiled again.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

use super::Digest;

const HASH_LENGTH: usize = 32;

/// A directory with compiled code, which belongs to this user alone.
#[derive(Debug, Clone)]
pub struct CompileCache {
    directory: PathBuf,
}

impl CompileCache {
    /// Opens the directory, and makes it where it is missing.
    ///
    /// # Errors
    /// If it can't be made, or if others may write to it: what lies in there is executed.
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let found = fs::metadata(directory)?;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it belongs to another user, and what lies in there is executed"));
        }
        let mode = found.permissions().mode();
        if mode & 0o022 != 0 {
            return Err(io::Error::other(format!(
                "others may write to it (mode {:o}), and what lies in there is executed: chmod 700 {}",
                mode & 0o777,
                directory.display()
            )));
        }
        Ok(Self { directory: directory.to_owned() })
    }

    /// The compiled component, if it is there and whole.
    pub(super) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let bytes = fs::read(self.file(engine, digest)).ok()?;
        let (hash, code) = bytes.split_at_checked(HASH_LENGTH)?;
        if hash != Sha256::digest(code).as_slice() {
            tracing::warn!(component.digest = %digest, "the cached code of {digest} is damaged; compiling it again");
            return None;
        }
        deserialize(engine, code).inspect_err(|error| tracing::debug!(%error, "cached code of another engine")).ok()
    }

    /// Keeps a compiled component. A cache that can't be written costs time at the next start and nothing else.
    pub(super) fn keep(&self, digest: &Digest, component: &Component) {
        if let Err(error) = self.write(digest, component) {
            tracing::warn!(%error, "compiled code can't be cached in {}: {error}", self.directory.display());
        }
    }

    fn write(&self, digest: &Digest, component: &Component) -> io::Result<()> {
        let code = component.serialize().map_err(io::Error::other)?;
        let mut bytes = Sha256::digest(&code).to_vec();
        bytes.extend_from_slice(&code);
        let file = self.file(component.engine(), digest);
        let unfinished = file.with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&unfinished, bytes)?;
        fs::rename(&unfinished, &file)
    }

    /// One file for each digest and each engine that code may have been compiled for.
    fn file(&self, engine: &Engine, digest: &Digest) -> PathBuf {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.directory.join(format!("{}-{:016x}.cwasm", digest.hex(), hasher.finish()))
    }
}

#[allow(unsafe_code, reason = "wasmtime marks the loading of compiled code as unsafe")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the code was written by `keep` of this or another process of the same user: nobody else can write to
    // the directory (checked by `open`), and the hash in front of it (checked by `load`) says that it is whole.
    // wasmtime itself refuses code of another version or configuration.
    unsafe { Component::deserialize(engine, code) }
}
