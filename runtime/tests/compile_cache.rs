//! The cache of compiled code: what is in there is executed, so it is believed only if it is whole, ours, and meant for this
//! component; and it stays within its bound, whatever ends the process that writes it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/guest.rs"]
mod guest;
#[path = "support/hostile.rs"]
mod hostile;
#[path = "support/process.rs"]
mod process;
#[path = "support/small_disk.rs"]
mod small_disk;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use bytesize::ByteSize;
use guest::guest;
use process::{PATIENCE, Process, warren};
use small_disk::SmallDisk;
use tempfile::TempDir;
use warren::{
    components::{CompileCache, Compiler, Digest, Place},
    sandbox::compiling_engine,
};

const ROOM: ByteSize = ByteSize::gib(1);

fn compiler(cache: &Path, most: ByteSize) -> Compiler {
    let cache = CompileCache::open(cache, most).unwrap();
    Compiler::new(compiling_engine(512 << 10).unwrap(), Place::InProcess, Some(cache))
}

fn directory() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compiled");
    (folder, path)
}

/// A component that differs from those with other numbers.
fn numbered(number: usize) -> Vec<u8> {
    guest(&format!("(drop (i32.const {number})) (unreachable)"))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn file_of(directory: &Path, component: &[u8]) -> Option<PathBuf> {
    let digest = Digest::of(component);
    files(directory).into_iter().find(|file| file.file_name().unwrap().to_str().unwrap().starts_with(digest.hex()))
}

#[tokio::test]
async fn code_of_another_component_or_file_that_others_may_write_is_compiled_again() {
    let (_folder, path) = directory();
    let compiler = compiler(&path, ROOM);
    let (one, other) = (numbered(1), numbered(2));
    for component in [&one, &other] {
        compiler.compile(component.clone().into()).await.unwrap();
    }
    let (file, foreign) = (file_of(&path, &one).unwrap(), file_of(&path, &other).unwrap());
    let (right, wrong) = (fs::read(&file).unwrap(), fs::read(&foreign).unwrap());
    assert!(compiler.cached(&Digest::of(&one)).await.is_some());

    // Whole, but the other's.
    fs::write(&file, &wrong).unwrap();
    assert!(compiler.cached(&Digest::of(&one)).await.is_none());
    compiler.compile(one.clone().into()).await.unwrap();
    assert_eq!(fs::read(&file).unwrap(), right);

    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    assert!(compiler.cached(&Digest::of(&one)).await.is_none());
    compiler.compile(one.clone().into()).await.unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_directory_that_is_open_to_others_or_belongs_to_another_is_refused() {
    let (_folder, path) = directory();
    fs::create_dir(&path).unwrap();
    for mode in [0o777, 0o770, 0o755, 0o705] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let told = CompileCache::open(&path, ROOM).unwrap_err().to_string();
        assert!(told.contains(&format!("(mode {mode:o})")) && told.contains("chmod 700"), "{told}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    CompileCache::open(&path, ROOM).unwrap();
    // Only root can give a directory away.
    match std::os::unix::fs::chown(&path, Some(65534), None) {
        Ok(()) => {
            let told = CompileCache::open(&path, ROOM).unwrap_err().to_string();
            assert!(told.contains("it belongs to another user"), "{told}");
        }
        Err(error) => eprintln!("not tried, another owner: {error}"),
    }
}

#[tokio::test]
async fn a_full_cache_loses_what_was_used_least_recently() {
    let (_folder, path) = directory();
    let roomy = compiler(&path, ROOM);
    for number in 1..=3 {
        roomy.compile(numbered(number).into()).await.unwrap();
        // Used an hour ago, the first one longest.
        let hours = u64::try_from(10 - number).unwrap();
        let used = SystemTime::now() - Duration::from_secs(3600 * hours);
        let file = fs::File::options().write(true).open(file_of(&path, &numbered(number)).unwrap()).unwrap();
        file.set_modified(used).unwrap();
    }
    let one = fs::metadata(file_of(&path, &numbered(1)).unwrap()).unwrap().len();
    // The first one is used now.
    assert!(roomy.cached(&Digest::of(&numbered(1))).await.is_some());
    let full = compiler(&path, ByteSize(one * 3 + one / 2));
    full.compile(numbered(4).into()).await.unwrap();
    let kept: Vec<_> = (1..=4).filter(|number| file_of(&path, &numbered(*number)).is_some()).collect();
    assert_eq!(kept, [1, 3, 4]);
    // A bound that was lowered holds from the start.
    CompileCache::open(&path, ByteSize(one)).unwrap();
    assert_eq!(files(&path).len(), 1);
}

#[tokio::test]
async fn a_full_disk_costs_compilations_and_nothing_else() {
    let Some(disk) = SmallDisk::mount(1024) else { return };
    let path = disk.path().join("compiled");
    let compiler = compiler(&path, ROOM);
    compiler.compile(numbered(1).into()).await.unwrap();
    disk.fill("others");
    compiler.compile(numbered(2).into()).await.unwrap();
    assert_eq!(files(&path), [file_of(&path, &numbered(1)).unwrap()], "nothing is kept by halves");
    assert!(compiler.cached(&Digest::of(&numbered(1))).await.is_some());
    fs::remove_file(disk.path().join("others")).unwrap();
    compiler.compile(numbered(2).into()).await.unwrap();
    assert!(compiler.cached(&Digest::of(&numbered(2))).await.is_some());
}

#[test]
fn a_process_that_is_killed_while_it_writes_leaves_nothing() {
    let (folder, path) = directory();
    let components = folder.path().join("components");
    fs::create_dir(&components).unwrap();
    let large = hostile::around(hostile::data(1024, 60 << 20));
    fs::write(components.join("large.wasm"), &large).unwrap();
    let start = || {
        let mut command = warren();
        command.arg("dev").current_dir(folder.path()).env("WARREN_COMPONENTS_CACHE", &path);
        command.env("WARREN_COMPONENTS_COMPILE_TIME", "5min");
        Process::spawn(command)
    };
    let mut killed = start();
    let deadline = Instant::now() + PATIENCE;
    while !path.is_dir() || files(&path).is_empty() {
        assert!(Instant::now() < deadline, "nothing was written: {}", killed.log());
        // The file is written by another process: there is no event to wait for.
        std::thread::sleep(Duration::from_millis(1));
    }
    killed.signal("KILL");
    killed.wait();
    let left = files(&path);
    assert_eq!(left.len(), 1);
    eprintln!("left by the one that was killed: {}", left[0].display());

    // What is being written by one that lives is not taken away.
    let living = tempfile::Builder::new().suffix(".tmp").tempfile_in(&path).unwrap();
    living.as_file().lock().unwrap();
    CompileCache::open(&path, ROOM).unwrap();
    let unfinished: Vec<_> =
        files(&path).into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "tmp")).collect();
    assert_eq!(unfinished, [living.path()]);
    drop(living);

    let again = start();
    again.wait_for_line("0 components are ready, 1 can't be used");
    again.wait_for_line("component large can't be used: it exports no `execute`");
    assert_eq!(files(&path).len(), 1);
    assert!(file_of(&path, &large).is_some_and(|file| file.extension().is_some_and(|extension| extension == "cwasm")));
}
