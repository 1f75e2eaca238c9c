//! A folder for a SQLite file: where the file of the settings is, or would be, so that it is the same disk.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::BenchError;

/// The file that `warren dev` looks for.
const FILE: &str = "warren.db";

/// A folder that goes with its owner.
#[derive(Debug)]
pub(super) struct Folder {
    parent: PathBuf,
    made: Option<TempDir>,
}

impl Folder {
    /// In the current directory, where `warren dev` keeps its data.
    pub(super) fn for_dev() -> Self {
        Self { parent: ".".into(), made: None }
    }

    /// Beside the file that a URL names.
    pub(super) fn beside(url: &str) -> Self {
        let file = url.trim_start_matches("sqlite:").trim_start_matches("//");
        let file = file.split_once('?').map_or(file, |(file, _)| file);
        let parent = Path::new(file).parent().filter(|parent| !parent.as_os_str().is_empty());
        Self { parent: parent.unwrap_or(Path::new(".")).to_owned(), made: None }
    }

    /// Makes it; gives the URL of the file in it.
    pub(super) fn make(&mut self) -> Result<String, BenchError> {
        let failed = |parent: &Path| format!("no folder for the measurement can be made in {}", parent.display());
        let parent = self.parent.canonicalize().map_err(BenchError::system(failed(&self.parent)))?;
        let made = tempfile::Builder::new().prefix(".warren-bench-").tempdir_in(&parent);
        let made = self.made.insert(made.map_err(BenchError::system(failed(&parent)))?);
        Ok(format!("sqlite://{}", made.path().join(FILE).display()))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.made.as_ref().map_or(&self.parent, TempDir::path)
    }

    pub(super) fn remove(&mut self) -> Result<(), BenchError> {
        let Some(made) = self.made.take() else { return Ok(()) };
        let failed = format!("the folder {} can't be removed", made.path().display());
        made.close().map_err(BenchError::system(failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_beside_the_file_of_the_url() {
        let cases =
            [("sqlite:///var/lib/w.db?mode=rwc", "/var/lib"), ("sqlite://data/w.db", "data"), ("sqlite::memory:", ".")];
        for (url, parent) in cases {
            assert_eq!(Folder::beside(url).parent, Path::new(parent), "{url}");
        }
    }

    #[test]
    fn it_is_made_and_removed() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = Folder::beside(&format!("sqlite://{}/w.db", parent.path().display()));
        let url = folder.make().unwrap();
        let path = folder.path().to_owned();
        assert!(path.is_dir() && url.ends_with("/warren.db"), "{url}");
        folder.remove().unwrap();
        assert!(!path.exists());
        folder.remove().unwrap();
        let mut nowhere = Folder::beside("sqlite:///no/such/folder/w.db");
        assert!(nowhere.make().unwrap_err().to_string().contains("/no/such/folder"));
    }
}
