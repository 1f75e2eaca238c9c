//! A store that is gone, hangs or is full, and one that can't keep what is asked of it.

use std::{fs, time::Duration};

use warren::components::{ComponentStore, StoreError};

use crate::{
    fixture::{Fixture, push, upload},
    s3::{Gate, S3},
    small_disk::SmallDisk,
};

#[tokio::test]
async fn a_directory_that_is_gone_is_told_from_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, elsewhere) = (folder.path().join("store"), folder.path().join("elsewhere"));
    let url = directory.to_str().unwrap();
    assert!(matches!(ComponentStore::open(url), Err(StoreError::Directory { .. })));
    let store = ComponentStore::open_or_create(url).unwrap();
    assert_eq!(store.list().await.unwrap(), []);
    push(&store, "work", b"one").await;
    fs::rename(&directory, &elsewhere).unwrap();
    let told = store.list().await.unwrap_err();
    assert!(matches!(told, StoreError::Directory { .. }) && told.may_pass(), "{told}");
    assert_eq!(store.trouble(), Some(told.to_string()));
    fs::rename(&elsewhere, &directory).unwrap();
    assert_eq!((store.list().await.unwrap().len(), store.trouble()), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_or_is_gone_is_told_in_seconds() {
    let Some(server) = S3::start() else { return };
    let Fixture::S3(mut server, _) = Fixture::s3(server) else { unreachable!("it is S3") };
    let store = ComponentStore::open_with("s3://components/work", server.variables().into_iter()).unwrap();
    push(&store, "work", b"one").await;
    assert_eq!(store.list().await.unwrap().len(), 1);
    server.signal("STOP");
    let (told, took) = timed(store.list()).await;
    assert!(matches!(told, Err(StoreError::Slow { .. })) && took < Duration::from_secs(60), "{told:?} {took:?}");
    server.signal("CONT");
    assert_eq!((store.list().await.unwrap().len(), store.trouble()), (1, None));
    server.kill();
    let (told, took) = timed(store.list()).await;
    assert!(told.unwrap_err().may_pass() && took < Duration::from_secs(60), "{took:?}");
    assert!(store.trouble().is_some());
    let (told, took) = timed(store.push(&"work".parse().unwrap(), upload("two", None))).await;
    assert!(told.unwrap_err().may_pass() && took < Duration::from_secs(60), "{took:?}");
}

async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = std::time::Instant::now();
    (work.await, start.elapsed())
}

#[tokio::test]
async fn a_full_disk_refuses_a_push_and_keeps_what_is_there() {
    let Some(disk) = SmallDisk::mount(256) else { return };
    let store = ComponentStore::open(disk.path().to_str().unwrap()).unwrap();
    push(&store, "work", b"one").await;
    for size in [300 << 10, 12 << 20] {
        let told = store.push(&"work".parse().unwrap(), upload(vec![1; size], None)).await.unwrap_err();
        let text = format!("{told}");
        assert!(told.may_pass() && text.contains("No space left on device"), "{text}");
    }
    let stored = store.list().await.unwrap().remove(0);
    assert_eq!(store.read(&stored).await.unwrap(), "one");
    assert_eq!(
        push(&store, "work", b"two").await.record.number.get(),
        2,
        "nothing was left behind that takes the room"
    );
}

#[tokio::test]
async fn the_index_is_not_read_again_while_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let store = ComponentStore::open(folder.path().to_str().unwrap()).unwrap();
    push(&store, "work", b"one").await;
    let before = store.list().await.unwrap();
    // As long as the old one, and in its place: who reads it sees that it is garbage.
    let file = fs::OpenOptions::new().write(true).open(folder.path().join("index/work/00000001.json")).unwrap();
    let written = file.metadata().unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"}}}}", 0).unwrap();
    file.set_modified(written.modified().unwrap()).unwrap();
    assert_eq!((store.list().await.unwrap(), store.trouble()), (before, None));
    file.set_modified(written.modified().unwrap() + Duration::from_secs(1)).unwrap();
    store.list().await.unwrap();
    assert!(store.trouble().is_some(), "and it is when something does");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_conditional_writes_is_not_written_to() {
    let Some(server) = S3::start() else { return };
    let (honest, careless) = (server.variables(), Gate::careless(&server).variables());
    let store = ComponentStore::open_with("s3://components/work", careless.into_iter()).unwrap();
    let told = store.push(&"work".parse().unwrap(), upload("one", None)).await.unwrap_err();
    assert!(matches!(told, StoreError::NoConditionalPut { .. }), "{told}");
    assert_eq!(store.list().await.unwrap(), []);
    let store = ComponentStore::open_with("s3://components/work", honest.into_iter()).unwrap();
    assert_eq!(push(&store, "work", b"one").await.record.number.get(), 1);
}

#[test]
fn a_store_of_another_kind_is_refused() {
    for url in ["ftp://host/x", "memory:///", "https://example.com/x"] {
        let told = ComponentStore::open(url).unwrap_err();
        assert!(matches!(told, StoreError::Unsupported { .. }), "{url}: {told}");
    }
}
