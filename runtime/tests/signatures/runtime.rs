//! What a runtime loads, in the hands of one who can write anything into the store but has no key.

use std::{fs, path::Path, sync::Arc, time::Duration};

use bytesize::ByteSize;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use warren::{
    components::{
        CompileCache, Compiler, ComponentStore, Components, Digest, Found, Keep, Place, Signature, Signers, SigningKey,
    },
    config::Config,
    sandbox::{EngineSettings, Program, Sandbox},
};

use crate::{answering, new_key, process::PATIENCE, sign, unguarded, upload};

const SCAN: Duration = Duration::from_millis(10);

const GRANTS: &str = "[grants]\nenv = { A = \"b\" }\n";

struct Runtime {
    store: TempDir,
    cache: TempDir,
    sandbox: Sandbox,
    key: SigningKey,
}

impl Runtime {
    fn new() -> Self {
        let settings = EngineSettings { concurrency: 1, threads: 1, max_memory: 1 << 20, stack: 512 << 10 };
        let sandbox = Sandbox::new(&settings).unwrap();
        Self { store: tempfile::tempdir().unwrap(), cache: tempfile::tempdir().unwrap(), sandbox, key: new_key() }
    }

    async fn load(&self, signers: Signers) -> Components<Program> {
        self.load_within(ByteSize::mib(64), signers).await
    }

    /// The same with so much room for machine code.
    async fn load_within(&self, memory: ByteSize, signers: Signers) -> Components<Program> {
        let store = ComponentStore::open(self.store.path().to_str().unwrap()).unwrap().requiring(signers);
        let cache = CompileCache::open(&self.cache.path().join("compiled"), ByteSize::gib(1)).unwrap();
        let compiler = Compiler::new(self.sandbox.engine().clone(), Place::InProcess, Some(cache));
        let preparer = Box::new(self.sandbox.preparer(Config::default().to_bounds()));
        Components::load(store, compiler, preparer, Keep { scan: SCAN, memory }).await.unwrap()
    }

    async fn load_signed(&self) -> Components<Program> {
        self.load(Signers::new(vec![self.key.public_key()])).await
    }

    fn path(&self) -> &Path {
        self.store.path()
    }

    fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path().join(file), bytes).unwrap();
    }

    /// Writes the next revision of an index by hand.
    fn tamper(&self, name: &str, change: impl Fn(&str) -> String) {
        let folder = self.path().join("index").join(name);
        let newest = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
        let number: u32 = newest.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let before = fs::read_to_string(newest).unwrap();
        let after = change(&before);
        assert_ne!(after, before, "there was nothing to change");
        fs::write(folder.join(format!("{:08}.json", number + 1)), after).unwrap();
    }
}

/// The digest that tasks are executed with, or why they are not.
async fn executed(components: &Components<Program>, name: &str) -> Result<Digest, Arc<str>> {
    match components.find(&name.parse().unwrap()).await {
        Found::Ready(component) => Ok(component.digest.clone()),
        Found::Broken(reason) | Found::Unavailable(reason) => Err(reason),
        Found::Missing => panic!("{name} is missing"),
    }
}

/// Waits until what the store has now was looked at and was refused for that reason.
async fn refused(components: &Components<Program>, name: &str, told: &str) {
    let is_refused = || {
        let list = components.list();
        let listed = list.iter().find(|listed| listed.stored.name.as_str() == name);
        listed.is_some_and(|listed| listed.state.as_ref().is_err_and(|reason| reason.contains(told)))
    };
    let waited = timeout(PATIENCE, async {
        while !is_refused() {
            sleep(SCAN).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{name} was not refused because of {told:?}: {:?}", components.list()));
}

/// Waits until tasks are executed with that file.
async fn taken_up(components: &Components<Program>, name: &str, file: &[u8]) {
    let waited = timeout(PATIENCE, async {
        while executed(components, name).await.ok() != Some(Digest::of(file)) {
            sleep(SCAN).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{name} was not taken up: {:?}", components.list()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_changed_by_hand_is_refused_and_what_is_in_use_stays() {
    let runtime = Runtime::new();
    let (good, evil) = (answering("good"), answering("evil"));
    let store = unguarded(runtime.path());
    let signature = sign(&runtime.key, "work", &good, None);
    store.push(&"work".parse().unwrap(), upload(good.clone(), None, Some(signature.clone()))).await.unwrap();
    let other = sign(&runtime.key, "other", &evil, None);
    store.push(&"other".parse().unwrap(), upload(evil.clone(), None, Some(other.clone()))).await.unwrap();
    let components = runtime.load_signed().await;
    taken_up(&components, "work", &good).await;
    taken_up(&components, "other", &evil).await;

    let text = |value: &Signature| format!("\"{value}\"");
    let (good_digest, evil_digest) = (Digest::of(&good), Digest::of(&evil));
    let first = fs::read_to_string(runtime.path().join("index/work/00000001.json")).unwrap();
    let wrong_file = format!("it has to be of name work, component {evil_digest}, manifest none");
    // Another file with the good one's signature, without one, and with its own, which is for another name.
    runtime.tamper("work", |index| index.replace(good_digest.as_str(), evil_digest.as_str()));
    refused(&components, "work", &wrong_file).await;
    runtime.tamper("work", |index| index.replace(&text(&signature), "null"));
    refused(&components, "work", "it is not signed").await;
    runtime.tamper("work", |index| index.replace("\"signature\": null", &format!("\"signature\": \"{other}\"")));
    refused(&components, "work", &wrong_file).await;
    // What is no signature at all makes the whole index one that can't be understood.
    runtime.tamper("work", |_| first.replace(&text(&signature), "\"hello\""));
    let has_trouble = || components.store_trouble().is_some_and(|trouble| trouble.contains("a signature is"));
    timeout(PATIENCE, async {
        while !has_trouble() {
            sleep(SCAN).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(executed(&components, "work").await, Ok(good_digest.clone()));
    // The good file with more grants; and without its signature.
    runtime.tamper("work", |_| first.replace("\"manifest\": null", &format!("\"manifest\": {GRANTS:?}")));
    refused(&components, "work", &format!("manifest {}", Digest::of(GRANTS.as_bytes()))).await;
    runtime.tamper("work", |_| first.replace(&text(&signature), "null"));
    refused(&components, "work", "it is not signed").await;
    assert_eq!(executed(&components, "work").await, Ok(good_digest.clone()));

    // One that starts now has nothing that it could go on with.
    let later = runtime.load_signed().await;
    assert!(executed(&later, "work").await.unwrap_err().contains("it is not signed"));
    assert_eq!(executed(&later, "other").await, Ok(evil_digest));
    // What was signed counts as soon as it is there again, for both.
    runtime.tamper("work", |_| first.clone());
    taken_up(&later, "work", &good).await;
    assert_eq!(executed(&components, "work").await, Ok(good_digest));
    components.stop().await;
    later.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_loose_needs_its_signature_beside_it() {
    let runtime = Runtime::new();
    let (good, evil) = (answering("good"), answering("evil"));
    runtime.write("work.wasm", &good);
    let components = runtime.load_signed().await;
    refused(&components, "work", "it is not signed").await;
    assert!(executed(&components, "work").await.is_err());
    let signature = sign(&runtime.key, "work", &good, None).to_string();
    runtime.write("work.wasm.sig", "hello");
    refused(&components, "work", "work.wasm.sig is no signature").await;
    runtime.write("work.wasm.sig", sign(&new_key(), "work", &good, None).to_string());
    refused(&components, "work", "by none of the keys").await;
    // The good one, after so many blanks that it is not read.
    runtime.write("work.wasm.sig", format!("{}{signature}", " ".repeat(1000)));
    refused(&components, "work", "work.wasm.sig is no signature").await;
    runtime.write("work.wasm.sig", format!("{}\n{}\n", &signature[..76], &signature[76..]));
    taken_up(&components, "work", &good).await;

    // Neither another file, nor a manifest beside it, nor another name has been signed.
    runtime.write("work.wasm", &evil);
    refused(&components, "work", Digest::of(&evil).as_str()).await;
    runtime.write("work.wasm", &good);
    runtime.write("work.toml", GRANTS);
    refused(&components, "work", Digest::of(GRANTS.as_bytes()).as_str()).await;
    runtime.write("thief.wasm", &good);
    runtime.write("thief.wasm.sig", &signature);
    refused(&components, "thief", "it has to be of name thief").await;
    assert_eq!(executed(&components, "work").await, Ok(Digest::of(&good)), "it was in use");
    runtime.write("work.wasm.sig", sign(&runtime.key, "work", &good, Some(GRANTS)).to_string());
    let has_grant = async || match components.find(&"work".parse().unwrap()).await {
        Found::Ready(component) => component.program.manifest().grants.env.contains_key("A"),
        _ => false,
    };
    timeout(PATIENCE, async {
        while !has_grant().await {
            sleep(SCAN).await;
        }
    })
    .await
    .unwrap();
    components.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_does_not_answer_for_one_that_can_not_be_had_now() {
    let runtime = Runtime::new();
    let (good, other) = (answering("good"), answering("other"));
    let store = unguarded(runtime.path());
    for (name, file) in [("work", &good), ("other", &other)] {
        let signature = sign(&runtime.key, name, file, None);
        store.push(&name.parse().unwrap(), upload(file.clone(), None, Some(signature))).await.unwrap();
    }
    // There is room for one only.
    let components = runtime.load_within(ByteSize::b(1), Signers::new(vec![runtime.key.public_key()])).await;
    taken_up(&components, "work", &good).await;
    store.push(&"work".parse().unwrap(), upload(answering("evil"), None, None)).await.unwrap();
    refused(&components, "work", "it is not signed").await;
    taken_up(&components, "other", &other).await;
    let blob = runtime.path().join(format!("blobs/{}.wasm", Digest::of(&good).hex()));
    fs::rename(&blob, blob.with_extension("gone")).unwrap();
    fs::remove_dir_all(runtime.cache.path().join("compiled")).unwrap();
    // At first it is found out; then it is known, and not tried again for a while.
    for _ in 0..2 {
        match components.find(&"work".parse().unwrap()).await {
            Found::Unavailable(reason) => assert!(reason.contains("has lost its file"), "{reason}"),
            Found::Broken(reason) => panic!("a task would fail for good: {reason}"),
            Found::Ready(_) | Found::Missing => panic!("its file is gone"),
        }
    }
    components.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_loose_and_can_not_be_judged_does_not_take_the_place_of_what_was_signed() {
    let runtime = Runtime::new();
    let good = answering("good");
    runtime.write("work.wasm", &good);
    runtime.write("work.wasm.sig", sign(&runtime.key, "work", &good, None).to_string());
    let components = runtime.load_signed().await;
    taken_up(&components, "work", &good).await;
    runtime.write("work.toml", b"\xff");
    refused(&components, "work", "the manifest of work").await;
    assert_eq!(executed(&components, "work").await, Ok(Digest::of(&good)), "it was in use");
    fs::remove_file(runtime.path().join("work.toml")).unwrap();
    // So large that it is not read, and not on the disk either.
    fs::File::create(runtime.path().join("work.wasm")).unwrap().set_len((128 << 20) + 1).unwrap();
    refused(&components, "work", "a component has at most").await;
    assert_eq!(executed(&components, "work").await, Ok(Digest::of(&good)), "it was in use");
    components.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn machine_code_from_before_signatures_were_required_is_not_executed() {
    let runtime = Runtime::new();
    let (pushed, loose) = (answering("pushed"), answering("loose"));
    let store = unguarded(runtime.path());
    store.push(&"pushed".parse().unwrap(), upload(pushed.clone(), None, None)).await.unwrap();
    runtime.write("loose.wasm", &loose);
    let before = runtime.load(Signers::default()).await;
    taken_up(&before, "pushed", &pushed).await;
    taken_up(&before, "loose", &loose).await;
    before.stop().await;
    let cached = fs::read_dir(runtime.cache.path().join("compiled")).unwrap().count();
    assert_eq!(cached, 2, "both are in the cache");

    let components = runtime.load_signed().await;
    for name in ["pushed", "loose"] {
        assert!(executed(&components, name).await.unwrap_err().contains("it is not signed"), "{name}");
    }
    let signature = sign(&runtime.key, "pushed", &pushed, None);
    store.push(&"pushed".parse().unwrap(), upload(pushed.clone(), None, Some(signature))).await.unwrap();
    taken_up(&components, "pushed", &pushed).await;
    components.stop().await;
}
