//! The components' folder: what can't be used is known by its name and does not hold back the others; compiled code is
//! trusted only where nobody else can have written it, and only if it is whole.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/guest.rs"]
mod guest;

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytesize::ByteSize;
use guest::{component, guest};
use tempfile::TempDir;
use warren::{
    components::{CompileCache, Compiler, ComponentStore, Components, Digest, Found, Keep, Place},
    config::Config,
    sandbox::{EngineSettings, Program, Sandbox},
};

/// More than any test needs.
const ROOM: ByteSize = ByteSize::gib(1);

/// Longer than any test: these tests look for themselves.
const NEVER: Duration = Duration::from_secs(3600);

fn sandbox() -> Sandbox {
    Sandbox::new(&EngineSettings { concurrency: 1, threads: 1, max_memory: 1 << 20, stack: 512 << 10 }).unwrap()
}

fn keep(scan: Duration) -> Keep {
    Keep { scan, memory: ByteSize::mib(64) }
}

async fn load(folder: &Path, sandbox: &Sandbox, cache: Option<CompileCache>) -> Components<Program> {
    let store = ComponentStore::open(folder.to_str().unwrap()).unwrap();
    let compiler = Compiler::new(sandbox.engine().clone(), Place::InProcess, cache);
    Components::load(store, compiler, Box::new(sandbox.preparer(Config::default().to_bounds())), keep(NEVER))
        .await
        .unwrap()
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) {
    fs::write(folder.path().join(name), bytes).unwrap();
}

#[tokio::test]
async fn files_that_can_not_be_used_do_not_hold_back_the_others() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    write(&folder, "good.wasm", &guest("(unreachable)"));
    write(&folder, "text.wasm", b"hello");
    write(&folder, "core.wasm", b"\0asm\x01\0\0\0");
    write(&folder, "empty.wasm", b"");
    write(&folder, "nothing.wasm", &component(""));
    write(&folder, "notes.txt", b"not looked at");
    write(&folder, "..wasm", b"no task has this name");
    let components = load(folder.path(), &sandbox, None).await;
    components.settled().await;

    let list: Vec<_> = components
        .list()
        .into_iter()
        .map(|listed| (listed.stored.name.to_string(), listed.state.map_err(|e| e.to_string())))
        .collect();
    let names: Vec<_> = list.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["core", "empty", "good", "nothing", "text"]);
    for (name, state) in list {
        match name.as_str() {
            "good" => assert_eq!(state, Ok(Some(Digest::of(&guest("(unreachable)"))))),
            "core" => assert!(state.unwrap_err().contains("core module")),
            "nothing" => assert!(state.unwrap_err().contains("exports no `execute`")),
            _ => assert!(state.unwrap_err().contains("no WebAssembly")),
        }
    }
    assert!(matches!(components.find(&"good".parse().unwrap()).await, Found::Ready(_)));
    assert!(matches!(components.find(&"text".parse().unwrap()).await, Found::Broken(_)));
    assert!(matches!(components.find(&"missing".parse().unwrap()).await, Found::Missing));
    // What was missing a moment ago is found as soon as it is there, without a scan.
    write(&folder, "missing.wasm", &guest("(unreachable)"));
    assert!(matches!(components.find(&"missing".parse().unwrap()).await, Found::Ready(_)));
    components.stop().await;
}

#[tokio::test]
async fn compiled_code_is_kept_and_a_damaged_file_is_compiled_again() {
    let (folder, cache, sandbox) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), sandbox());
    write(&folder, "good.wasm", &guest("(unreachable)"));
    let directory = cache.path().join("compiled");
    let load_it = || async {
        let components = load(folder.path(), &sandbox, Some(CompileCache::open(&directory, ROOM).unwrap())).await;
        let found = components.find(&"good".parse().unwrap()).await;
        components.stop().await;
        assert!(matches!(found, Found::Ready(_)));
    };
    load_it().await;
    let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    let whole = fs::read(&files[0]).unwrap();

    // From the cache: the file is not written again.
    let written = fs::metadata(&files[0]).unwrap().ino();
    load_it().await;
    assert_eq!(fs::metadata(&files[0]).unwrap().ino(), written);

    for damaged in [&whole[..whole.len() / 2], b"", &[&whole[..100], b"x", &whole[101..]].concat()] {
        fs::write(&files[0], damaged).unwrap();
        load_it().await;
        assert_eq!(fs::read(&files[0]).unwrap().len(), whole.len(), "it was not compiled again");
    }
}

#[test]
fn a_cache_that_others_can_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let told = CompileCache::open(folder.path(), ROOM).unwrap_err().to_string();
    assert!(told.contains("it is open to others (mode 777)") && told.contains("chmod 700"), "{told}");
    let made = folder.path().join("made");
    CompileCache::open(&made, ROOM).unwrap();
    assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn tasks_that_run_keep_the_component_that_they_began_with() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    write(&folder, "work.wasm", &guest("(unreachable)"));
    let store = ComponentStore::open(folder.path().to_str().unwrap()).unwrap();
    let compiler = Compiler::new(sandbox.engine().clone(), Place::InProcess, None);
    let scan = Duration::from_millis(10);
    let components =
        Components::load(store, compiler, Box::new(sandbox.preparer(Config::default().to_bounds())), keep(scan))
            .await
            .unwrap();
    let name = "work".parse().unwrap();
    let Found::Ready(first) = components.find(&name).await else { panic!("not found") };
    let second_bytes = guest("(drop (i32.const 1)) (unreachable)");
    write(&folder, "work.wasm", &second_bytes);
    let second = loop {
        match components.find(&name).await {
            Found::Ready(found) if found.digest == Digest::of(&second_bytes) => break found,
            _ => tokio::time::sleep(scan).await,
        }
    };
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(first.digest, Digest::of(&guest("(unreachable)")));
    fs::remove_file(folder.path().join("work.wasm")).unwrap();
    while !components.list().is_empty() {
        tokio::time::sleep(scan).await;
    }
    components.stop().await;
    components.stop().await;
}

#[tokio::test]
async fn a_manifest_is_read_with_its_component_and_again_when_it_changes() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    write(&folder, "work.wasm", &guest("(unreachable)"));
    write(&folder, "work.toml", b"[limits]\nconcurrency = 3\n");
    let store = ComponentStore::open(folder.path().to_str().unwrap()).unwrap();
    let compiler = Compiler::new(sandbox.engine().clone(), Place::InProcess, None);
    let (scan, bounds) = (Duration::from_millis(10), Config::default().to_bounds());
    let components = Components::load(store, compiler, Box::new(sandbox.preparer(bounds)), keep(scan)).await.unwrap();
    let name = "work".parse().unwrap();
    let Found::Ready(found) = components.find(&name).await else { panic!("not found") };
    assert_eq!(found.program.manifest().limits.concurrency, 3);

    for (text, told) in [
        ("[limits]\nconcurrency = 'many'", "its manifest: limits.concurrency: "),
        ("[limits]\nmemory = '1TiB'", "[ceiling] memory"),
        ("[grants]\nhosts = ['example.com:443']", "[allow] hosts = [\"example.com:443\"]"),
    ] {
        write(&folder, "work.toml", text.as_bytes());
        let reason = loop {
            match components.find(&name).await {
                Found::Broken(reason) if reason.contains(told) => break reason,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        assert!(!reason.contains('\n'), "{reason}");
    }
    write(&folder, "work.toml", b"\xff");
    let told = "the manifest of work is none: it has 1 B";
    while !matches!(components.find(&name).await, Found::Broken(reason) if reason.contains(told)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fs::remove_file(folder.path().join("work.toml")).unwrap();
    while !matches!(components.find(&name).await, Found::Ready(found) if found.program.manifest().limits.concurrency == 256)
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    components.stop().await;
}
