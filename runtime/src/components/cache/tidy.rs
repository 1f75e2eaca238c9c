//! Keeps the cache within its size, and free of what a killed process has left half written.
//!
//! Several processes may share a directory: any file may be gone at any moment, which costs a compilation and nothing else.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytesize::ByteSize;

use super::{CODE, UNFINISHED};

/// Removes what has been used least recently, until all that is left has `most` at most; and what nobody writes any more.
pub(super) fn tidy(directory: &Path, most: ByteSize) -> io::Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(CODE) => {
                // One that is gone meanwhile needs no room.
                if let Ok(found) = entry.metadata() {
                    kept.push((found.modified().unwrap_or(SystemTime::UNIX_EPOCH), found.len(), path));
                }
            }
            Some(UNFINISHED) => remove_if_left(&path),
            Some(_) | None => {}
        }
    }
    remove_oldest(kept, most.as_u64());
    Ok(())
}

/// Who writes a file holds a lock on it, which the system takes away with the process.
fn remove_if_left(path: &Path) {
    let left = File::open(path).is_ok_and(|file| file.try_lock().is_ok());
    if left {
        remove(path);
    }
}

fn remove_oldest(mut kept: Vec<(SystemTime, u64, PathBuf)>, most: u64) {
    let mut bytes: u64 = kept.iter().map(|(_, length, _)| length).sum();
    kept.sort_unstable();
    for (_, length, path) in kept {
        if bytes <= most {
            return;
        }
        remove(&path);
        bytes = bytes.saturating_sub(length);
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => tracing::debug!("{} is removed from the cache", path.display()),
        // By another process.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "{} can't be removed from the cache: {error}", path.display()),
    }
}
