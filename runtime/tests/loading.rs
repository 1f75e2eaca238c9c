//! Components are loaded when a task asks for them, once however many ask; they are let go and loaded again without their
//! limits being forgotten; and none waits for another's compilation.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/children.rs"]
mod children;
#[path = "support/guest.rs"]
mod guest;
#[path = "support/hostile.rs"]
mod hostile;

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytesize::ByteSize;
use children::children;
use event_driven::names::Priority;
use guest::guest;
use hostile::{additions, around, functions};
use warren::{
    components::{
        ChildProcess, CompileCache, CompileLimits, Compiler, Component, ComponentStore, Components, Digest, Found,
        Keep, Listed, Place, Upload,
    },
    config::Config,
    sandbox::{EngineSettings, Program, Sandbox},
};

const STACK: usize = 512 << 10;

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

/// Enough for all that a test has.
const ROOMY: ByteSize = ByteSize::mib(64);

/// Room for none: each one that is loaded for a task makes the others go.
const CROWDED: ByteSize = ByteSize::b(1);

fn sandbox() -> Sandbox {
    Sandbox::new(&EngineSettings { concurrency: 4, threads: 1, max_memory: 1 << 20, stack: STACK }).unwrap()
}

async fn load(
    folder: &Path,
    sandbox: &Sandbox,
    cache: Option<&Path>,
    memory: ByteSize,
    limits: CompileLimits,
) -> Components<Program> {
    load_and_scan(folder, sandbox, cache, Keep { scan: NEVER, memory }, limits).await
}

async fn load_and_scan(
    folder: &Path,
    sandbox: &Sandbox,
    cache: Option<&Path>,
    keep: Keep,
    limits: CompileLimits,
) -> Components<Program> {
    let store = ComponentStore::open(folder.to_str().unwrap()).unwrap();
    let child = ChildProcess::new(env!("CARGO_BIN_EXE_warren").into(), STACK, limits);
    let cache = cache.map(|cache| CompileCache::open(cache, ByteSize::gib(1)).unwrap());
    let compiler = Compiler::new(sandbox.engine().clone(), Place::Child(child), cache);
    let preparer = Box::new(sandbox.preparer(Config::default().to_bounds()));
    Components::load(store, compiler, preparer, keep).await.unwrap()
}

fn limits() -> CompileLimits {
    Config::default().to_compile_limits()
}

fn upload(body: &str) -> Upload {
    Upload { bytes: guest(body).into(), manifest: None, signature: None, by: "me".into(), imports: Vec::new() }
}

async fn ready(components: &Components<Program>, name: &str) -> Arc<Component<Program>> {
    match components.find(&name.parse().unwrap()).await {
        Found::Ready(component) => component,
        Found::Broken(reason) | Found::Unavailable(reason) => panic!("{name}: {reason}"),
        Found::Missing => panic!("{name} is missing"),
    }
}

#[tokio::test]
async fn tasks_that_ask_at_once_for_what_is_not_loaded_get_one_and_the_same() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    fs::write(folder.path().join("work.wasm"), guest("(unreachable)")).unwrap();
    let components = Arc::new(load(folder.path(), &sandbox, None, ROOMY, limits()).await);
    let asking = (0..50).map(|_| {
        let components = components.clone();
        tokio::spawn(async move { ready(&components, "work").await })
    });
    let mut found = Vec::new();
    for asking in asking.collect::<Vec<_>>() {
        found.push(asking.await.unwrap());
    }
    assert!(found.iter().all(|other| Arc::ptr_eq(other, &found[0])));
    components.stop().await;
}

#[tokio::test]
async fn what_is_let_go_and_loaded_again_remembers_how_many_run() {
    let (folder, cache, sandbox) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), sandbox());
    for name in ["one", "other"] {
        fs::write(folder.path().join(format!("{name}.wasm")), guest("(unreachable)")).unwrap();
        fs::write(folder.path().join(format!("{name}.toml")), "[limits]\nconcurrency = 1\n").unwrap();
    }
    let cache = cache.path().join("compiled");
    let components = load(folder.path(), &sandbox, Some(&cache), CROWDED, limits()).await;
    let first = ready(&components, "one").await;
    let place = sandbox.slot(&first.program, Priority::Normal).await.unwrap();
    ready(&components, "other").await;
    assert!(components.ready(&"one".parse().unwrap()).is_none(), "it was not let go");

    let again = ready(&components, "one").await;
    assert!(!Arc::ptr_eq(&first, &again));
    assert!(!again.program.has_place(), "its limit is one, and one runs");
    drop(place);
    assert!(again.program.has_place());
    components.stop().await;
}

#[tokio::test]
async fn what_is_in_the_cache_is_loaded_again_when_the_store_is_gone() {
    let (folder, cache, sandbox) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), sandbox());
    for name in ["one", "other"] {
        fs::write(folder.path().join(format!("{name}.wasm")), guest("(unreachable)")).unwrap();
    }
    let cache = cache.path().join("compiled");
    let components = load(folder.path(), &sandbox, Some(&cache), CROWDED, limits()).await;
    components.settled().await;
    fs::remove_dir_all(folder.path()).unwrap();
    for name in ["one", "other", "one"] {
        ready(&components, name).await;
    }
    components.stop().await;
}

#[tokio::test]
async fn what_can_not_be_read_now_is_not_broken() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    let file = folder.path().join("work.wasm");
    fs::write(&file, guest("(unreachable)")).unwrap();
    // No background look may come first: it would load the component before it is gone.
    let components = load(folder.path(), &sandbox, None, CROWDED, limits()).await;
    components.settled().await;
    fs::remove_file(&file).unwrap();
    let found = components.find(&"work".parse().unwrap()).await;
    assert!(matches!(&found, Found::Unavailable(reason) if reason.contains("it can't be read")));
    // Another file than the one that was listed, and no scan has seen it yet.
    fs::write(&file, guest("(unreachable)")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // It is left alone for a moment.
    while !matches!(components.find(&"work".parse().unwrap()).await, Found::Ready(_)) {
        assert!(Instant::now() < deadline, "it is there again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    components.stop().await;
}

#[tokio::test]
async fn a_slow_compilation_holds_up_neither_what_is_ready_nor_the_first_task_of_another() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    fs::write(folder.path().join("ready.wasm"), guest("(unreachable)")).unwrap();
    let limits = CompileLimits { time: Duration::from_secs(8), ..limits() };
    let components = Arc::new(load(folder.path(), &sandbox, None, ROOMY, limits).await);
    ready(&components, "ready").await;
    fs::write(folder.path().join("slow.wasm"), around(functions(100_000, &additions(40)))).unwrap();
    let slow = tokio::spawn({
        let components = components.clone();
        async move { components.find(&"slow".parse().unwrap()).await }
    });
    fs::write(folder.path().join("quick.wasm"), guest("(drop (i32.const 1)) (unreachable)")).unwrap();
    ready(&components, "quick").await;
    ready(&components, "ready").await;
    assert!(!slow.is_finished(), "it was to be slow");
    let Found::Broken(reason) = slow.await.unwrap() else { panic!("it was to take too long") };
    assert!(reason.contains("components.compile_time"), "{reason}");
    components.stop().await;
}

#[tokio::test]
async fn what_follows_a_component_in_use_does_not_wait_behind_what_nobody_has_asked_for() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    fs::write(folder.path().join("work.wasm"), guest("(unreachable)")).unwrap();
    let limits = CompileLimits { time: Duration::from_secs(10), ..limits() };
    let keep = Keep { scan: Duration::from_millis(20), memory: ROOMY };
    let components = load_and_scan(folder.path(), &sandbox, None, keep, limits).await;
    let before = ready(&components, "work").await.digest.clone();
    for n in 0..4 {
        fs::write(folder.path().join(format!("slow{n}.wasm")), around(functions(100_000, &additions(40 + n)))).unwrap();
    }
    let is_looked_at = |listed: &Listed| !matches!(listed.state, Ok(None));
    while components.list().len() < 5 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fs::write(folder.path().join("work.wasm"), guest("(drop (i32.const 1)) (unreachable)")).unwrap();
    while ready(&components, "work").await.digest == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!components.list().iter().all(is_looked_at), "the slow ones were to take longer");
    components.stop().await;
}

#[tokio::test]
async fn what_is_in_use_stays_while_what_follows_can_not_be_had() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    let (store, name) = (ComponentStore::open(folder.path().to_str().unwrap()).unwrap(), "work".parse().unwrap());
    let first = store.push(&name, upload("(unreachable)")).await.unwrap().record;
    let keep = Keep { scan: Duration::from_millis(20), memory: CROWDED };
    let components = load_and_scan(folder.path(), &sandbox, None, keep, limits()).await;
    ready(&components, "work").await;
    components.settled().await;
    // In a copy of the store, so that nobody reads the file before it is damaged; the index comes last.
    let aside = tempfile::tempdir().unwrap();
    let copy = ComponentStore::open(aside.path().to_str().unwrap()).unwrap();
    copy.push(&name, upload("(unreachable)")).await.unwrap();
    let second = copy.push(&name, upload("(drop (i32.const 1)) (unreachable)")).await.unwrap().record;
    fs::write(folder.path().join(format!("blobs/{}.wasm", second.digest.hex())), "other bytes").unwrap();
    fs::copy(aside.path().join("index/work/00000002.json"), folder.path().join("index/work/00000002.json")).unwrap();
    let is_known = |components: &Components<Program>| {
        components.list().iter().any(|listed| listed.stored.digest() == Some(&second.digest))
    };
    while !is_known(&components) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Its code may be in memory or not: there is room for none.
    for _ in 0..3 {
        assert_eq!(ready(&components, "work").await.digest, first.digest);
    }
    store.push(&name, upload("(drop (i32.const 2)) (unreachable)")).await.unwrap();
    while ready(&components, "work").await.digest == first.digest {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    components.stop().await;
}

#[tokio::test]
async fn what_can_not_be_had_does_not_keep_tasks_from_what_takes_its_place() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    let (store, name) = (ComponentStore::open(folder.path().to_str().unwrap()).unwrap(), "work".parse().unwrap());
    let first = store.push(&name, upload("(unreachable)")).await.unwrap().record;
    fs::write(folder.path().join("other.wasm"), guest("(unreachable)")).unwrap();
    let keep = Keep { scan: Duration::from_millis(20), memory: CROWDED };
    let components = load_and_scan(folder.path(), &sandbox, None, keep, limits()).await;
    components.settled().await;
    ready(&components, "work").await;
    ready(&components, "other").await;
    fs::write(folder.path().join(format!("blobs/{}.wasm", first.digest.hex())), "other bytes").unwrap();
    assert!(
        matches!(components.find(&name).await, Found::Unavailable(reason) if reason.contains("push the file again"))
    );

    // What looks at new versions in the background waits for this.
    fs::write(folder.path().join("slow.wasm"), around(functions(100_000, &additions(40)))).unwrap();
    while children().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = store.push(&name, upload("(drop (i32.const 1)) (unreachable)")).await.unwrap().record;
    while !components.list().iter().any(|listed| listed.stored.digest() == Some(&second.digest)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ready(&components, "work").await.digest, second.digest);
    components.stop().await;
}

#[tokio::test]
async fn the_versions_of_a_component_share_its_places() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    let (store, name) = (ComponentStore::open(folder.path().to_str().unwrap()).unwrap(), "work".parse().unwrap());
    let push = async |body: &str, concurrency: u32| {
        let manifest = Some(format!("[limits]\nconcurrency = {concurrency}\n"));
        store.push(&name, Upload { manifest, ..upload(body) }).await.unwrap().record.digest
    };
    push("(unreachable)", 1).await;
    let keep = Keep { scan: Duration::from_millis(20), memory: ROOMY };
    let components = load_and_scan(folder.path(), &sandbox, None, keep, limits()).await;
    let newest = async |digest: Digest| loop {
        match ready(&components, "work").await {
            found if found.digest == digest => return found,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let first = ready(&components, "work").await;
    let place = sandbox.slot(&first.program, Priority::Normal).await.unwrap();
    let second = newest(push("(drop (i32.const 1)) (unreachable)", 1).await).await;
    assert!(!second.program.has_place(), "one may run, and one does");
    drop(place);
    let _place = sandbox.slot(&second.program, Priority::Normal).await.unwrap();
    let third = newest(push("(drop (i32.const 2)) (unreachable)", 2).await).await;
    assert!(third.program.has_place(), "two may run");
    components.stop().await;
}

#[tokio::test]
async fn as_many_are_compiled_at_once_as_may_be() {
    const AT_ONCE: usize = 6;
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    let limits = CompileLimits { concurrency: AT_ONCE, ..limits() };
    let components = Arc::new(load(folder.path(), &sandbox, None, ROOMY, limits).await);
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..AT_ONCE {
        fs::write(folder.path().join(format!("slow{n}.wasm")), around(functions(100_000, &additions(40 + n)))).unwrap();
        let components = components.clone();
        asking.spawn(async move { components.find(&format!("slow{n}").parse().unwrap()).await });
    }
    let deadline = Instant::now() + Duration::from_secs(180);
    while children().len() < AT_ONCE {
        assert!(Instant::now() < deadline && asking.try_join_next().is_none(), "{} at once", children().len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    asking.shutdown().await;
    components.stop().await;
}

#[tokio::test]
async fn a_file_of_500_megabytes_is_refused_before_it_is_read() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    fs::File::create(folder.path().join("large.wasm")).unwrap().set_len(500 << 20).unwrap();
    let components = load(folder.path(), &sandbox, None, ROOMY, limits()).await;
    let Found::Broken(reason) = components.find(&"large".parse().unwrap()).await else { panic!("it is too large") };
    assert_eq!(&*reason, "it has 500.0 MiB, a component has at most 128.0 MiB (setting components.max_size)");
    components.stop().await;
}

#[tokio::test]
async fn a_component_of_another_world_or_a_newer_version_is_refused_with_what_is_provided() {
    let (folder, sandbox) = (tempfile::tempdir().unwrap(), sandbox());
    let import = |name: &str| {
        let text = format!(
            "(import \"{name}\" (instance))\n{}",
            guest::execute("(memory (export \"memory\") 1)", "(unreachable)")
        );
        guest::component(&text)
    };
    let components = load(folder.path(), &sandbox, None, ROOMY, limits()).await;
    let newer = "it imports warren:task/context@0.2.0, this runtime provides warren:task@0.1.0: build it against that version, \
                 or update the runtime";
    let other =
        "it imports acme:shop/cart@1.0.0, which warren does not provide (it provides warren:task 0.1 and WASI 0.2)";
    for (name, told) in [("warren:task/context@0.2.0", newer), ("acme:shop/cart@1.0.0", other)] {
        let refused = components.check(import(name).into(), None).await.unwrap_err();
        assert_eq!(refused.to_string(), told);
    }
    let checked = components.check(import("warren:task/context@0.1.0").into(), None).await.unwrap();
    assert_eq!(checked.imports, ["warren:task/context@0.1.0"]);
    let refused = components.check(guest("(unreachable)").into(), Some("[limits]\nmemory = '1TiB'")).await.unwrap_err();
    assert!(refused.to_string().starts_with("its manifest: "), "{refused}");
    components.stop().await;
}
