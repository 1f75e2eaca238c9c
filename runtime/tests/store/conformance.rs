//! What a store does in the hands of those who mean well.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bytes::Bytes;
use event_driven::names::TaskName;
use warren::components::{
    Change, ComponentStore, Digest, Removed, Signature, Signers, SigningKey, Statement, StoreError, Stored, Upload,
    Version,
};

use crate::fixture::{Fixture, push, upload};

fn name(name: &str) -> TaskName {
    name.parse().unwrap()
}

fn version(number: u32) -> Version {
    number.to_string().parse().unwrap()
}

async fn only(store: &ComponentStore) -> Stored {
    let mut listed = store.list().await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    listed.remove(0)
}

pub(crate) async fn a_push_is_a_version_and_the_same_push_again_changes_nothing(fixture: &Fixture) {
    let place = fixture.fresh();
    let (writer, reader) = (place.open(), place.open());
    assert_eq!(reader.list().await.unwrap(), []);
    assert_eq!(reader.head(&name("work")).await.unwrap(), None);
    let first = push(&writer, "work", b"one").await;
    assert_eq!((first.change, first.record.number.get()), (Change::Added, 1));
    let stored = only(&reader).await;
    assert_eq!(reader.head(&name("work")).await.unwrap().as_ref(), Some(&stored));
    assert_eq!(stored.digest(), Some(&Digest::of(b"one")));
    assert_eq!((stored.size, stored.version()), (3, Some(&first.record)));
    assert_eq!((first.record.by.as_str(), first.record.imports.len()), ("me@here", 1));
    assert_eq!(reader.read(&stored).await.unwrap(), "one");

    let again = push(&writer, "work", b"one").await;
    assert_eq!((again.change, &again.record), (Change::Unchanged, &first.record));
    assert_eq!(only(&reader).await, stored, "nothing has changed");
    assert_eq!(place.names("index").await.iter().filter(|name| name.contains("/work/")).count(), 1);

    let second = push(&writer, "work", b"two").await;
    assert_eq!((second.change, second.record.number.get()), (Change::Added, 2));
    let newer = only(&reader).await;
    assert_ne!(newer, stored);
    assert_eq!(reader.read(&newer).await.unwrap(), "two");
    assert_eq!(reader.read(&stored).await.unwrap(), "one", "what was listed before is still there");
}

pub(crate) async fn an_older_version_can_be_used_and_pushed_again(fixture: &Fixture) {
    let place = fixture.fresh();
    let (store, work) = (place.open(), name("work"));
    push(&store, "work", b"one").await;
    push(&store, "work", b"two").await;
    let switched = store.use_version(&work, version(1)).await.unwrap();
    assert_eq!((switched.before, switched.record.digest), (Some(version(2)), Digest::of(b"one")));
    assert_eq!(only(&place.open()).await.digest(), Some(&Digest::of(b"one")));
    assert_eq!(store.use_version(&work, version(1)).await.unwrap().before, Some(version(1)));
    let again = push(&store, "work", b"two").await;
    assert_eq!((again.change, again.record.number), (Change::Again, version(2)));
    let versions = store.versions(&work).await.unwrap().unwrap();
    assert_eq!((versions.current, versions.all.len()), (Some(version(2)), 2));

    let told = store.use_version(&work, version(3)).await.unwrap_err();
    assert_eq!(told.to_string(), "component work has no version 3; it has 1 to 2");
    let told = store.use_version(&name("nobody"), version(1)).await.unwrap_err();
    assert!(matches!(told, StoreError::Missing { .. }), "{told}");
}

pub(crate) async fn the_manifest_belongs_to_the_version(fixture: &Fixture) {
    let place = fixture.fresh();
    let (store, work) = (place.open(), name("work"));
    let pushed = async |manifest| store.push(&work, upload("one", manifest)).await.unwrap();
    assert_eq!(pushed(None).await.record.manifest, None);
    let second = pushed(Some("[limits]")).await;
    assert_eq!((second.change, second.record.number), (Change::Added, version(2)), "the same file, another manifest");
    assert_eq!(pushed(None).await.change, Change::Unchanged, "it keeps the one that it has");
    let stored = only(&store).await;
    assert_eq!((stored.has_manifest(), store.manifest(&stored).await.unwrap().as_deref()), (true, Some("[limits]")));
    assert_eq!(pushed(Some("")).await.record.number, version(3));
    store.use_version(&work, version(1)).await.unwrap();
    assert!(!only(&store).await.has_manifest());
    let large = "#".repeat(64 * 1024 + 1);
    let told = store.push(&work, upload("one", Some(&large))).await.unwrap_err();
    assert!(matches!(told, StoreError::NoManifest { .. }), "{told}");
    assert!(told.to_string().starts_with("the manifest of work is none: it has 64.0 KiB"), "{told}");
}

pub(crate) async fn a_file_is_not_paired_with_a_manifest_that_it_was_not_checked_with(fixture: &Fixture) {
    let place = fixture.fresh();
    let (store, work, loose) = (place.open(), name("work"), name("loose"));
    store.push(&work, upload("one", Some("[limits]"))).await.unwrap();
    place.put("loose.wasm", b"by hand").await;
    place.put("loose.toml", b"[limits]").await;
    for name in [&work, &loose] {
        for checked_with in [None, Some("[grants]")] {
            let told = store.push_checked(name, upload("two", None), checked_with, &|_| {}).await.unwrap_err();
            assert!(matches!(told, StoreError::OtherManifest { .. }) && told.may_pass(), "{told}");
        }
    }
    assert_eq!(store.versions(&work).await.unwrap().unwrap().all.len(), 1);
    assert_eq!(store.versions(&loose).await.unwrap(), None);
    for name in [&work, &loose] {
        let kept = store.kept_manifest(name).await.unwrap();
        let kept = store.push_checked(name, upload("two", None), kept.as_deref(), &|_| {}).await.unwrap();
        assert_eq!(kept.record.manifest.as_deref(), Some("[limits]"));
    }
    let given = store.push_checked(&work, upload("two", Some("[grants]")), None, &|_| {}).await.unwrap();
    assert_eq!(given.record.manifest.as_deref(), Some("[grants]"), "one that brings its own keeps none");
}

fn signature(key: &SigningKey, file: &[u8]) -> Option<Signature> {
    Some(key.sign(&Statement::new(&name("work"), &Digest::of(file), None)))
}

fn new_key() -> SigningKey {
    SigningKey::from_pem(SigningKey::new_pem().unwrap().as_bytes()).unwrap()
}

pub(crate) async fn a_signature_belongs_to_the_version(fixture: &Fixture) {
    let place = fixture.fresh();
    let (store, work, key) = (place.open(), name("work"), new_key());
    let pushed = async |signature| store.push(&work, Upload { signature, ..upload("one", None) }).await.unwrap();
    assert_eq!(pushed(None).await.record.signature, None);
    let signed = pushed(signature(&key, b"one")).await;
    assert_eq!((signed.change, signed.record.number), (Change::Added, version(2)), "the same file, a signature");
    assert_eq!(pushed(None).await.change, Change::Unchanged, "it keeps the one that it has");
    assert_eq!(pushed(signature(&key, b"one")).await.change, Change::Unchanged);
    let other = pushed(signature(&new_key(), b"one")).await;
    assert_eq!((other.change, other.record.number), (Change::Added, version(3)));
    let read = only(&place.open()).await;
    assert_eq!(store.signature(&read).await.unwrap(), other.record.signature);
    let signers = Signers::new(vec![key.public_key()]);
    let chosen = place.open().requiring(signers).push(&work, upload("one", None)).await.unwrap();
    assert_eq!((chosen.change, chosen.record.number), (Change::Again, version(2)), "the one that is good");
}

pub(crate) async fn what_is_not_signed_changes_nothing(fixture: &Fixture) {
    let place = fixture.fresh();
    let (key, work) = (new_key(), name("work"));
    let store = place.open().requiring(Signers::new(vec![key.public_key()]));
    for wrong in [None, signature(&key, b"two"), signature(&new_key(), b"one")] {
        let upload = Upload { signature: wrong, ..upload("one", None) };
        let told = store.push(&work, upload.clone()).await.unwrap_err();
        assert!(matches!(told, StoreError::NotSigned { keeps_manifest: false, .. }), "{told}");
        assert!(matches!(store.ensure_signed(&work, &upload).await, Err(StoreError::NotSigned { .. })));
    }
    assert_eq!(place.names("").await, [""; 0]);
    push(&place.open(), "work", b"unsigned").await;
    store.push(&work, Upload { signature: signature(&key, b"one"), ..upload("one", None) }).await.unwrap();
    let told = store.use_version(&work, version(1)).await.unwrap_err();
    assert!(matches!(told, StoreError::NotSigned { .. }), "{told}");
    assert_eq!(only(&place.open()).await.digest(), Some(&Digest::of(b"one")));
}

pub(crate) async fn what_is_removed_is_gone_and_its_versions_stay(fixture: &Fixture) {
    let place = fixture.fresh();
    let (store, work) = (place.open(), name("work"));
    assert_eq!(store.remove(&work).await.unwrap(), Removed::Nothing);
    store.push(&work, upload("one", Some("[limits]"))).await.unwrap();
    assert_eq!(store.remove(&work).await.unwrap(), Removed::Version(version(1)));
    assert_eq!(store.remove(&work).await.unwrap(), Removed::Nothing);
    let reader = place.open();
    assert_eq!((reader.list().await.unwrap(), reader.head(&work).await.unwrap()), (Vec::new(), None));
    let next = push(&store, "work", b"two").await;
    assert_eq!((next.record.number, next.record.manifest), (version(2), None), "what was removed grants nothing more");
    store.remove(&work).await.unwrap();
    assert_eq!(store.use_version(&work, version(1)).await.unwrap().before, None);
    assert_eq!(only(&reader).await.digest(), Some(&Digest::of(b"one")));
}

pub(crate) async fn pushes_of_one_name_at_once_lose_no_version(fixture: &Fixture) {
    const WRITERS: usize = 8;
    let place = fixture.fresh();
    let pushes = (0..WRITERS).map(|n| {
        let store = place.open();
        tokio::spawn(async move { store.push(&name("work"), upload(format!("file {n}"), None)).await.unwrap() })
    });
    let mut digests = Vec::new();
    for push in pushes.collect::<Vec<_>>() {
        let pushed = push.await.unwrap();
        assert_eq!(pushed.change, Change::Added);
        digests.push((pushed.record.number.get(), pushed.record.digest));
    }
    digests.sort_by_key(|(number, _)| *number);
    let versions = place.open().versions(&name("work")).await.unwrap().unwrap();
    let found: Vec<_> = versions.all.iter().map(|record| (record.number.get(), record.digest.clone())).collect();
    assert_eq!(found, digests, "each has the number that its writer was told");
    assert_eq!(found.last().map(|(number, _)| *number), Some(u32::try_from(WRITERS).unwrap()));
}

pub(crate) async fn readers_are_not_disturbed_by_writers_and_old_revisions_go(fixture: &Fixture) {
    let place = fixture.fresh();
    push(&place.open(), "work", b"one").await;
    push(&place.open(), "work", b"two").await;
    let (reader, done) = (place.open(), Arc::new(AtomicBool::new(false)));
    let reading = {
        let done = done.clone();
        tokio::spawn(async move {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                let stored = only(&reader).await;
                assert!(["one", "two"].contains(&str::from_utf8(&reader.read(&stored).await.unwrap()).unwrap()));
                assert_eq!(reader.trouble(), None);
                looks += 1;
            }
            looks
        })
    };
    let writer = place.open();
    for n in 0..20 {
        writer.use_version(&name("work"), version(1 + n % 2)).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    assert!(reading.await.unwrap() > 0);
    let revisions = place.names("index/work").await;
    assert_eq!(revisions.len(), 3, "{revisions:?}");
    assert_eq!(revisions[2], "index/work/00000022.json");
}

pub(crate) async fn names_that_differ_only_in_case_are_refused(fixture: &Fixture) {
    let place = fixture.fresh();
    let store = place.open();
    push(&store, "work", b"one").await;
    place.put("Loose.wasm", b"by hand").await;
    for (twin, of) in [("Work", "work"), ("loose", "Loose")] {
        let told = store.push(&name(twin), upload("two", None)).await.unwrap_err().to_string();
        assert!(
            told.starts_with(&format!("there is a component {of}, which differs from {twin} only in case")),
            "{told}"
        );
    }
    assert_eq!(store.list().await.unwrap().len(), 2);
}

pub(crate) async fn what_was_put_there_by_hand_is_a_component_without_versions(fixture: &Fixture) {
    let place = fixture.fresh();
    let (store, work) = (place.open(), name("work"));
    place.put("work.wasm", b"by hand").await;
    place.put("work.toml", b"[grants]").await;
    place.put("notes.txt", b"not looked at").await;
    let stored = only(&store).await;
    assert_eq!(store.head(&work).await.unwrap().as_ref(), Some(&stored), "a list and a look tell the same");
    assert_eq!((stored.digest(), stored.version(), stored.has_manifest()), (None, None, true));
    assert_eq!(store.read(&stored).await.unwrap(), "by hand");
    assert_eq!(store.manifest(&stored).await.unwrap().as_deref(), Some("[grants]"));
    assert_eq!(store.versions(&work).await.unwrap(), None);
    let told = store.use_version(&work, version(1)).await.unwrap_err();
    assert!(matches!(told, StoreError::Loose { .. }), "{told}");

    place.put("work.wasm", b"by hand again").await;
    let told = store.read(&stored).await.unwrap_err();
    assert!(matches!(told, StoreError::Replaced { .. }), "{told}");
    assert_eq!(store.read(&only(&store).await).await.unwrap(), "by hand again");

    let pushed = push(&store, "work", b"pushed").await;
    assert_eq!(pushed.record.manifest.as_deref(), Some("[grants]"), "it keeps the manifest that it has");
    assert_eq!(only(&store).await.digest(), Some(&Digest::of(b"pushed")), "the index counts");
    store.remove(&work).await.unwrap();
    assert_eq!(store.list().await.unwrap(), [], "also when it says that there is none");

    place.put("other.wasm", b"by hand").await;
    place.put("other.toml", b"").await;
    assert_eq!(store.remove(&name("other")).await.unwrap(), Removed::Loose);
    assert_eq!(place.names("").await.iter().filter(|name| name.starts_with("other")).count(), 0);
}

pub(crate) async fn a_large_file_is_sent_in_parts_and_tells_how_far_it_is(fixture: &Fixture) {
    let place = fixture.fresh();
    let (store, sent, calls) = (place.open(), AtomicU64::new(0), AtomicU64::new(0));
    let bytes: Bytes = (0..20 << 20).map(|n: u32| n.to_le_bytes()[1] ^ n.to_le_bytes()[2]).collect();
    let progress = |more| {
        sent.fetch_add(more, Ordering::Relaxed);
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let pushed = store.push_checked(&name("large"), upload(bytes.clone(), None), None, &progress).await.unwrap();
    assert_eq!(pushed.record.digest, Digest::of(&bytes));
    assert_eq!((sent.into_inner(), calls.into_inner()), (bytes.len() as u64, 3));
    assert_eq!(store.read(&only(&store).await).await.unwrap(), bytes);
    let told = store.push(&name("huge"), upload(vec![0; (128 << 20) + 1], None)).await.unwrap_err();
    assert!(matches!(told, StoreError::TooLarge { .. }), "{told}");
}
