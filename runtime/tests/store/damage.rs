//! A store in which something is not as it should be.

use event_driven::names::TaskName;
use warren::components::{Change, ComponentStore, Digest, StoreError};

use crate::fixture::{Fixture, push};

fn digests(stored: &[warren::components::Stored]) -> Vec<(String, Option<Digest>)> {
    stored.iter().map(|stored| (stored.name.to_string(), stored.digest().cloned())).collect()
}

async fn listed(store: &ComponentStore) -> Vec<(String, Option<Digest>)> {
    digests(&store.list().await.unwrap())
}

pub(crate) async fn an_index_that_is_garbage_leaves_its_component_as_it_was(fixture: &Fixture) {
    let place = fixture.fresh();
    let (store, work): (_, TaskName) = (place.open(), "work".parse().unwrap());
    push(&store, "work", b"one").await;
    push(&store, "other", b"one").await;
    let running = place.open();
    let before = listed(&running).await;
    place.put("index/work/00000002.json", b"<html>try again later</html>").await;
    assert_eq!(listed(&running).await, before);
    let trouble = running.trouble().unwrap();
    assert!(trouble.starts_with("index/work/00000002.json is no index of work: "), "{trouble}");
    push(&store, "other", b"two").await;
    let one = |name: &str, bytes: &[u8]| (name.to_owned(), Some(Digest::of(bytes)));
    assert_eq!(listed(&running).await, [one("other", b"two"), one("work", b"one")], "others go on");

    // Who has not seen it before knows nothing of it; nobody builds on what can't be understood.
    let fresh = place.open();
    assert_eq!(listed(&fresh).await, [one("other", b"two")]);
    for told in [fresh.head(&work).await.err(), fresh.versions(&work).await.err(), store.remove(&work).await.err()] {
        assert!(matches!(told, Some(StoreError::Garbage { .. })), "{told:?}");
    }
    place.delete("index/work/00000002.json").await;
    assert_eq!((listed(&running).await.len(), running.trouble()), (2, None));
    assert_eq!(push(&store, "work", b"two").await.record.number.get(), 2);
}

pub(crate) async fn a_file_that_is_not_what_was_pushed_is_refused_and_healed_by_a_push(fixture: &Fixture) {
    let place = fixture.fresh();
    let store = place.open();
    push(&store, "work", b"what was pushed").await;
    let stored = store.list().await.unwrap().remove(0);
    let blob = format!("blobs/{}.wasm", Digest::of(b"what was pushed").hex());
    for damaged in [b"what was PUSHED".as_slice(), b"what", b""] {
        place.put(&blob, damaged).await;
        let told = store.read(&stored).await.unwrap_err();
        match &told {
            StoreError::WrongDigest { found, .. } => assert_eq!(*found, Digest::of(damaged)),
            other => panic!("{other}"),
        }
        assert!(!told.may_pass());
        assert_eq!(push(&store, "work", b"what was pushed").await.change, Change::Unchanged);
        assert_eq!(store.read(&stored).await.unwrap(), "what was pushed");
    }
}

pub(crate) async fn a_version_whose_file_is_gone_is_not_used(fixture: &Fixture) {
    let place = fixture.fresh();
    let store = place.open();
    push(&store, "work", b"one").await;
    push(&store, "work", b"two").await;
    place.delete(&format!("blobs/{}.wasm", Digest::of(b"one").hex())).await;
    let told = store.use_version(&"work".parse().unwrap(), "1".parse().unwrap()).await.unwrap_err();
    assert!(matches!(told, StoreError::NoBlob { .. }), "{told}");
    assert_eq!(listed(&store).await, [("work".to_owned(), Some(Digest::of(b"two")))]);
}
