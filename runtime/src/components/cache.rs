//! Compiled code on disk, so that a restart does not compile again.
//!
//! Compiled code is machine code: loading it is trusting it. It is therefore read only from the runtime's own directory,
//! never from the store of components. Each file starts with a hash of what it is for and of what follows: one that was
//! cut off, damaged, or put there for another component or engine is compiled again.

mod key;
mod tidy;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytesize::ByteSize;
use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

pub(super) use self::key::EngineKey;
use super::Digest;

/// The extension of a file with compiled code.
const CODE: &str = "cwasm";

/// The extension of one that is being written.
const UNFINISHED: &str = "tmp";

const HASH_LENGTH: usize = 32;

/// A directory with compiled code, which belongs to this user alone.
#[derive(Debug, Clone)]
pub struct CompileCache {
    directory: PathBuf,
    most: ByteSize,
}

impl CompileCache {
    /// Opens the directory, and makes it where it is missing. All its files have `most` together: those that were used
    /// least recently go. Several processes may share it.
    ///
    /// # Errors
    /// If it can't be made or read, or if it is open to others: what lies in there is executed.
    pub fn open(directory: &Path, most: ByteSize) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let found = fs::metadata(directory)?;
        if !is_own(&found) {
            return Err(io::Error::other("it belongs to another user, and what lies in there is executed"));
        }
        let mode = found.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(io::Error::other(format!(
                "it is open to others (mode {:o}), and what lies in there is executed: chmod 700 {}",
                mode & 0o777,
                directory.display()
            )));
        }
        tidy::tidy(directory, most)?;
        Ok(Self { directory: directory.to_owned(), most })
    }

    /// The compiled component, if it is there and whole.
    pub(super) fn load(&self, engine: &Engine, key: &EngineKey, digest: &Digest) -> Option<Component> {
        let path = self.file(key, digest);
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, "{} can't be used: {error}; compiling {digest} again", path.display());
                return None;
            }
        };
        let whole = bytes.split_at_checked(HASH_LENGTH).filter(|(hash, code)| *hash == hash_of(key, digest, code));
        let Some((_, code)) = whole else {
            tracing::warn!(component.digest = %digest, "the cached code of {digest} is damaged; compiling it again");
            return None;
        };
        deserialize(engine, code)
            .inspect_err(|error| tracing::warn!(%error, "the cached code of {digest} can't be loaded: {error}; compiling it again"))
            .ok()
    }

    /// Keeps compiled code. A cache that can't be written costs time at the next start and nothing else.
    pub(super) fn keep(&self, key: &EngineKey, digest: &Digest, code: &[u8]) {
        let kept = self.write(key, digest, code).and_then(|()| tidy::tidy(&self.directory, self.most));
        if let Err(error) = kept {
            tracing::warn!(%error, "compiled code can't be cached in {}: {error}", self.directory.display());
        }
    }

    /// Whole or not at all: under a name of its own, locked, and then renamed. Not flushed to the disk: what a loss of power
    /// leaves is told by its hash.
    fn write(&self, key: &EngineKey, digest: &Digest, code: &[u8]) -> io::Result<()> {
        if code.len() as u64 > self.most.as_u64() {
            return Ok(());
        }
        let mut unfinished = tempfile::Builder::new().suffix(&format!(".{UNFINISHED}")).tempfile_in(&self.directory)?;
        unfinished.as_file().lock()?;
        unfinished.write_all(&hash_of(key, digest, code))?;
        unfinished.write_all(code)?;
        unfinished.persist(self.file(key, digest))?;
        Ok(())
    }

    /// One file for each digest and each engine that code may have been compiled for.
    fn file(&self, key: &EngineKey, digest: &Digest) -> PathBuf {
        self.directory.join(format!("{}-{}.{CODE}", digest.hex(), key.short()))
    }
}

fn is_own(found: &fs::Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
}

/// Reads a file that nobody else can have written, and notes that it was used.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let found = file.metadata()?;
    // The directory is closed to others; this holds also if another was put in its place since it was opened.
    if !found.is_file() || !is_own(&found) || found.permissions().mode() & 0o022 != 0 {
        return Err(io::Error::other("others may have written it"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    // On a file system where that is not possible, the oldest goes first instead of the least recently used.
    let _ = file.set_modified(SystemTime::now());
    Ok(bytes)
}

/// The hash of what the code is for, and of the code.
fn hash_of(key: &EngineKey, digest: &Digest, code: &[u8]) -> [u8; HASH_LENGTH] {
    // Both in front have the same length always.
    let hash = Sha256::new().chain_update(key.as_bytes()).chain_update(digest.hex()).chain_update(code);
    hash.finalize().into()
}

#[allow(unsafe_code, reason = "wasmtime marks the loading of compiled code as unsafe")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the code was written by `keep` of this or another process of the same user: nobody else can write to
    // the directory (checked by `open`) or has written the file (checked by `read`), and the hash in front of it (checked
    // by `load`) says that it is whole, and for this component and engine. wasmtime itself refuses code of another version
    // or configuration.
    unsafe { Component::deserialize(engine, code) }
}
