//! A disk that is soon full.

use std::{fs, io::Write, path::Path, process::Command};

use tempfile::TempDir;

/// A file system of a size of its own, for as long as this lives.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// One that holds so many KiB. `None`, told aloud, where that is not allowed; an error where everything has to run.
    pub fn mount(kib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k,mode=700"), "none"]).arg(folder.path());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: a small disk can't be mounted; root can do it");
        assert!(std::env::var_os("WARREN_TEST_STRICT").is_none(), "a small disk can't be mounted");
        None
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left, with a file of this name.
    #[allow(dead_code, reason = "each suite uses a part of it")]
    pub fn fill(&self, name: &str) {
        let mut file = fs::File::create(self.path().join(name)).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // At worst it stays until the machine is started again.
        let _ = Command::new("umount").arg(self.path()).status();
    }
}
