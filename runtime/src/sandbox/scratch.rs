//! Directories that executions have of their own, for as long as they last.
//!
//! They lie in one directory of this process, which it keeps locked: what a process that was killed has left is known by a
//! lock that nobody holds, and removed by the next one.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tempfile::TempDir;

/// What the directory of a process begins with, among the system's temporary ones.
const PREFIX: &str = "warren-scratch.";

/// A directory younger than this may belong to a process that is about to lock it.
const YOUNG: Duration = Duration::from_secs(60);

/// The directories of this process. Nothing is made before the first execution asks.
#[derive(Default)]
pub(super) struct Scratches(Mutex<Option<Arc<Folder>>>);

/// The directory that they lie in; removed with the last of them.
struct Folder {
    directory: TempDir,
    /// Held, until the process ends in whatever way.
    _lock: File,
}

/// A directory of an execution's own. Removed when it is dropped: elsewhere, since that takes as long as there are files.
pub(super) struct Scratch {
    directory: Option<TempDir>,
    folder: Arc<Folder>,
}

impl Scratches {
    /// A new one, empty.
    pub(super) fn make(&self) -> io::Result<Scratch> {
        let folder = self.folder()?;
        let directory = tempfile::Builder::new().prefix("").tempdir_in(folder.directory.path())?;
        Ok(Scratch { directory: Some(directory), folder })
    }

    /// The directory of this process; another one if somebody has tidied it away.
    fn folder(&self) -> io::Result<Arc<Folder>> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = made.as_ref().filter(|folder| folder.directory.path().is_dir()) {
            return Ok(folder.clone());
        }
        elsewhere(|| remove_abandoned(&std::env::temp_dir()));
        let prefix = format!("{PREFIX}{}.", std::process::id());
        let directory = tempfile::Builder::new().prefix(&prefix).tempdir()?;
        let lock = File::open(directory.path())?;
        lock.lock()?;
        Ok(made.insert(Arc::new(Folder { directory, _lock: lock })).clone())
    }
}

impl Scratch {
    pub(super) fn path(&self) -> Option<&Path> {
        self.directory.as_ref().map(TempDir::path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(directory) = self.directory.take() else { return };
        let folder = self.folder.clone();
        elsewhere(move || {
            let path = directory.path().to_owned();
            if let Err(error) = directory.close() {
                tracing::warn!(%error, "{} can't be removed: {error}; remove it by hand", path.display());
            }
            drop(folder);
        });
    }
}

/// Does what may take long where it holds up no guest.
fn elsewhere(work: impl FnOnce() + Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_no_runtime) => work(),
    }
}

/// Removes what processes of this user have left that are gone. What anybody else has put there is not even opened.
fn remove_abandoned(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        // Of the entry itself, wherever it leads.
        let Ok(found) = entry.metadata() else { continue };
        let is_own = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
        let is_old = found.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= YOUNG));
        if !name.to_string_lossy().starts_with(PREFIX) || !is_own || !is_old {
            continue;
        }
        let Ok(directory) = File::open(&path) else { continue };
        if directory.try_lock().is_ok() {
            match fs::remove_dir_all(&path) {
                Ok(()) => tracing::info!("removed {}, which a runtime that is gone had left", path.display()),
                Err(error) => tracing::warn!(%error, "{} can't be removed: {error}", path.display()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_a_process_that_is_gone_has_left_is_removed_and_nothing_else() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = |name: &str, age: Duration| {
            let path = temporary.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("file"), "kept").unwrap();
            File::open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
            path
        };
        let left = folder("warren-scratch.left", 2 * YOUNG);
        let (young, other) = (folder("warren-scratch.young", Duration::ZERO), folder("other", 2 * YOUNG));
        let used = folder("warren-scratch.used", 2 * YOUNG);
        let lock = File::open(&used).unwrap();
        lock.lock().unwrap();

        remove_abandoned(temporary.path());
        assert!(!left.exists());
        assert!([&young, &other, &used].iter().all(|path| path.join("file").exists()));
        drop(lock);
        remove_abandoned(temporary.path());
        assert!(!used.exists());
    }

    #[test]
    fn what_is_no_directory_of_ours_is_not_opened() {
        let temporary = tempfile::tempdir().unwrap();
        let (pipe, link) = (temporary.path().join("warren-scratch.pipe"), temporary.path().join("warren-scratch.link"));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
        let old = rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
            last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
        };
        for path in [&pipe, &link] {
            rustix::fs::utimensat(rustix::fs::CWD, path, &old, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
        }
        // Opening a pipe that nobody writes to would wait for ever.
        remove_abandoned(temporary.path());
        assert!(pipe.exists() && link.exists() && elsewhere.path().exists());
    }

    #[test]
    fn one_that_was_tidied_away_is_made_anew() {
        let scratches = Scratches::default();
        let first = scratches.make().unwrap();
        fs::remove_dir_all(first.folder.directory.path()).unwrap();
        assert!(scratches.make().unwrap().path().unwrap().is_dir());
    }

    #[test]
    fn the_directories_of_a_process_are_gone_with_the_last_of_them() {
        let scratches = Scratches::default();
        let (one, two) = (scratches.make().unwrap(), scratches.make().unwrap());
        let (first, second) = (one.path().unwrap().to_owned(), two.path().unwrap().to_owned());
        assert!(first != second && first.parent() == second.parent());
        drop(one);
        assert!(!first.exists() && second.exists());
        drop(scratches);
        drop(two);
        assert!(!second.parent().unwrap().exists());
    }
}
