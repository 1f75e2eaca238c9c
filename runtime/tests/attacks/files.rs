//! Files that are not its own, and too many that are.

use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};
use tempfile::TempDir;
use warren::{manifest::Allow, outcome::ErrorClass};

use super::attacker::Prison;

fn read(path: &str) -> Value {
    json!({ "attack": "read", "path": path })
}

#[tokio::test]
async fn no_file_is_there_for_who_was_granted_none() {
    let prison = Prison::strict();
    for path in ["/etc/passwd", "/", ".", "../../etc/passwd", "/proc/self/environ", "/dev/zero", "/scratch/x"] {
        prison.attack("", read(path)).await.failed_as(ErrorClass::Technical, &[]);
    }
    prison.attack("", json!({ "attack": "write", "path": "/tmp/x", "bytes": 1, "times": 1 })).await.failed();
}

/// A folder with `granted/inside` and, beside what is granted, `secret`; and links out of it.
fn field() -> (TempDir, Prison) {
    let field = tempfile::tempdir().unwrap();
    let granted = field.path().join("granted");
    fs::create_dir(&granted).unwrap();
    fs::write(granted.join("inside"), "granted").unwrap();
    fs::write(field.path().join("secret"), "not granted").unwrap();
    symlink(field.path().join("secret"), granted.join("absolute")).unwrap();
    symlink("../secret", granted.join("relative")).unwrap();
    symlink("/etc", granted.join("etc")).unwrap();
    let directory = format!("data={}", granted.display());
    let directories = vec![directory.parse().unwrap()];
    let prison = Prison::allowing(Allow { read: directories.clone(), write: directories, ..Allow::default() });
    (field, prison)
}

#[tokio::test]
async fn no_way_leads_out_of_a_directory_that_is_granted() {
    let (_field, prison) = field();
    let manifest = "[grants]\nread = { '/data' = 'data' }";
    assert_eq!(prison.attack(manifest, read("/data/inside")).await.got(), "granted");
    let ways = [
        "/data/../secret",
        "/data/absolute",
        "/data/relative",
        "/data/etc/passwd",
        "/data/./../secret",
        "/data/x/../../secret",
    ];
    for way in ways {
        prison.attack(manifest, read(way)).await.failed_as(ErrorClass::Technical, &[]);
    }
}

#[tokio::test]
async fn what_may_be_read_may_not_be_written() {
    let (field, prison) = field();
    let write = json!({ "attack": "write", "path": "/data/new", "bytes": 3, "times": 1 });
    prison.attack("[grants]\nread = { '/data' = 'data' }", write.clone()).await.failed();
    assert!(!field.path().join("granted/new").exists());
    let overwrite = json!({ "attack": "write", "path": "/data/inside", "bytes": 3, "times": 1 });
    prison.attack("[grants]\nread = { '/data' = 'data' }", overwrite).await.failed();
    assert_eq!(fs::read_to_string(field.path().join("granted/inside")).unwrap(), "granted");

    assert_eq!(prison.attack("[grants]\nwrite = { '/data' = 'data' }", write).await.got(), 3);
    assert_eq!(fs::read_to_string(field.path().join("granted/new")).unwrap(), "xxx");
}

#[tokio::test]
async fn a_link_that_it_makes_leads_nowhere_else() {
    let (_field, prison) = field();
    for target in ["/etc/passwd", "../secret", "../../../../../etc/passwd"] {
        let link = json!({ "attack": "link", "target": target, "path": "/data/link" });
        prison.attack("[grants]\nwrite = { '/data' = 'data' }", link).await.failed_as(ErrorClass::Technical, &[]);
    }
}

#[tokio::test]
async fn its_own_directory_is_as_large_as_its_limit() {
    let prison = Prison::strict();
    let manifest = "[limits]\ndisk = '1MiB'\n[grants]\nscratch = true";
    let write = |times| json!({ "attack": "write", "path": "/scratch/x", "bytes": 65536, "times": times });
    assert_eq!(prison.attack(manifest, write(15)).await.got(), 15 * 65536);
    let hint = ["asked for room", "its limit is 1048576 bytes", "[limits] disk"];
    prison.attack(manifest, write(1000)).await.failed_as(ErrorClass::DiskLimit, &hint);
    let many = json!({ "attack": "create", "folder": "/scratch", "files": 1000 });
    prison.attack(manifest, many).await.failed_as(ErrorClass::DiskLimit, &hint);
    for attack in [
        // A number that would wrap around what was counted.
        json!({ "attack": "stretch", "path": "/scratch/x", "bytes": u64::MAX }),
        json!({ "attack": "stretch", "path": "/scratch/x", "bytes": 1_u64 << 40 }),
        // A byte in each block.
        json!({ "attack": "sprinkle", "path": "/scratch/x", "blocks": 1000 }),
        json!({ "attack": "hard_links", "folder": "/scratch", "links": 1000 }),
    ] {
        prison.attack(manifest, attack).await.failed_as(ErrorClass::DiskLimit, &hint);
    }
    let nested = json!({ "attack": "nest", "folder": "/scratch", "levels": 10_000 });
    prison.attack("[grants]\nscratch = true", nested).await.failed_as(ErrorClass::DiskLimit, &["directories"]);
    while scratch_directories() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Those of this process's tests: nextest runs each in a process of its own, and `TMPDIR` is shared.
fn scratch_directories() -> usize {
    let entries = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let name = format!("warren-scratch.{}.", std::process::id());
    let folders = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name));
    folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).map(Iterator::count).sum()
}
