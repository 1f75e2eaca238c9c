//! What writers that were killed have left in a directory: files that were not whole yet.
//!
//! A file is written beside its place, as `<file>#<number>`, and then put there. Nobody takes such a one for a component or an
//! index; but it takes room. Whoever pushes removes those that nobody can be writing any more. In a bucket there are none: what
//! was begun there and not completed is the bucket's own to end.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use event_driven::names::TaskName;

use super::place::Place;

/// Nobody writes for so long: an upload takes a quarter of an hour at most. Long enough for clocks that differ, too.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

impl Place {
    /// Removes what was left where a push of this component writes. What can't be removed now, the next one tries again.
    pub(super) async fn remove_leftovers(&self, name: &TaskName) {
        let Some(directory) = &self.directory else { return };
        let folders = [directory.join("blobs"), directory.join("index").join(name.as_str())];
        let removing = tokio::task::spawn_blocking(move || {
            for folder in folders {
                match remove_in(&folder) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => tracing::debug!(%error, "leftovers in {} stay for now: {error}", folder.display()),
                }
            }
        });
        // It does not panic, and where the process ends or the disk is slow that is for the next one, too.
        let _ = self.in_time(async { Ok(removing.await) }).await;
    }
}

fn remove_in(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match remove_abandoned(&entry) {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("{} was left by a writer that was killed, and is removed", entry.path().display());
            }
            // Another one who pushes may have been faster.
            Err(error) => tracing::debug!(%error, "{} stays for now: {error}", entry.path().display()),
        }
    }
    Ok(())
}

fn remove_abandoned(entry: &fs::DirEntry) -> io::Result<bool> {
    let is_unfinished = entry.file_name().to_str().is_some_and(is_unfinished);
    let is_leftover = is_unfinished && is_abandoned(entry.metadata()?.modified()?);
    if is_leftover {
        fs::remove_file(entry.path())?;
    }
    Ok(is_leftover)
}

/// Source: `object_store`, which takes no path that ends like this.
fn is_unfinished(file: &str) -> bool {
    let ends = |(file, number): (&str, &str)| {
        let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
        is_number && (file.ends_with(".wasm") || file.ends_with(".json"))
    };
    file.rsplit_once('#').is_some_and(ends)
}

/// One from the future is left alone.
fn is_abandoned(modified: SystemTime) -> bool {
    modified.elapsed().is_ok_and(|age| age > ABANDONED_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_can_not_be_removed_keeps_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = SystemTime::now() - ABANDONED_AFTER - Duration::from_secs(60);
        let age = |path: &Path| fs::File::open(path).unwrap().set_modified(abandoned).unwrap();
        for number in 0..50 {
            let path = folder.path().join(format!("0a1b.wasm#{number}"));
            // A folder is no file that could be removed.
            if number % 10 == 0 {
                fs::create_dir(&path).unwrap()
            } else {
                fs::write(&path, "").unwrap()
            }
            age(&path);
        }
        remove_in(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5, "the folders");
    }

    #[test]
    fn only_what_is_named_like_an_unfinished_file_is_one() {
        for unfinished in ["0a1b.wasm#1", "00000012.json#27"] {
            assert!(is_unfinished(unfinished), "{unfinished}");
        }
        for other in ["0a1b.wasm", "00000012.json", "0a1b.wasm#", "0a1b.wasm#x", "#1", "notes#1", "a.wasm#1.bak"] {
            assert!(!is_unfinished(other), "{other}");
        }
    }
}
