//! Guests that try to take more than they may have: each ends with its own outcome, and the next one is served.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/guest.rs"]
mod guest;

use std::{sync::Arc, time::Duration};

use bytesize::ByteSize;
use event_driven::names::Priority;
use guest::{answer, component, guest, guest_with};
use uuid::Uuid;
use warren::{
    components::{Compiler, Digest, Place},
    manifest::{Grants, Limits, Manifest},
    outcome::{ErrorClass, Outcome},
    sandbox::{Call, EngineSettings, Execution, Program, Sandbox, TaskInfo},
};

/// An answer that is `{}`, at offset 64.
const EMPTY_OBJECT: &str = r#"(memory (export "memory") 1) (data (i32.const 64) "{}")"#;

fn sandbox() -> Arc<Sandbox> {
    let settings = EngineSettings { concurrency: 8, threads: 2, max_memory: 16 << 20, stack: 512 << 10 };
    Arc::new(Sandbox::new(&settings).unwrap())
}

fn limits() -> Limits {
    let timeout = Duration::from_secs(60);
    Limits { timeout, cpu: timeout, memory: ByteSize::mib(4), output: ByteSize::kib(64), ..Limits::default() }
}

async fn prepare(sandbox: &Sandbox, bytes: Vec<u8>) -> Result<Arc<Program>, String> {
    prepare_with(sandbox, bytes, limits()).await
}

async fn prepare_with(sandbox: &Sandbox, bytes: Vec<u8>, limits: Limits) -> Result<Arc<Program>, String> {
    let compiled = Compiler::new(sandbox.engine().clone(), Place::InProcess, None).compile(bytes.into()).await;
    let (_, component) = compiled.map_err(|error| error.to_string())?;
    let manifest = Manifest { limits, grants: Grants::default(), directories: Vec::new(), retries: 0 };
    sandbox.prepare(&component, manifest).map(Arc::new).map_err(|error| error.to_string())
}

fn call() -> Call {
    Call {
        info: TaskInfo {
            task_id: Uuid::nil(),
            task_name: "guest".into(),
            attempt: 0,
            correlation_id: "c".into(),
            producer_app: "p".into(),
        },
        payload: "{}".into(),
    }
}

async fn run(sandbox: &Sandbox, program: Arc<Program>) -> Outcome {
    execute(sandbox, program).await.outcome
}

async fn execute(sandbox: &Sandbox, program: Arc<Program>) -> Execution {
    let slot = sandbox.slot(&program, Priority::Normal).await.expect("the sandbox is not stopped");
    sandbox.execute(slot, program, call()).await
}

async fn outcome_of(bytes: Vec<u8>) -> Outcome {
    outcome_within(bytes, limits()).await
}

async fn outcome_within(bytes: Vec<u8>, limits: Limits) -> Outcome {
    let sandbox = sandbox();
    let program = prepare_with(&sandbox, bytes, limits).await.unwrap();
    run(&sandbox, program).await
}

fn class_of(outcome: Outcome) -> (ErrorClass, String) {
    match outcome {
        Outcome::Failed(failure) => (failure.class, failure.message),
        other => panic!("expected a failure, found {other:?}"),
    }
}

#[tokio::test]
async fn a_guest_that_answers_completes() {
    let outcome = outcome_of(guest_with(EMPTY_OBJECT, &answer(64, 2))).await;
    assert_eq!(outcome, Outcome::Completed("{}".into()));
}

const LOOP: &str = "(loop (br 0)) (unreachable)";

#[tokio::test]
async fn an_endless_loop_ends_at_its_limit_of_time() {
    let (class, message) =
        class_of(outcome_within(guest(LOOP), Limits { timeout: Duration::from_millis(50), ..limits() }).await);
    assert_eq!(class, ErrorClass::Timeout);
    assert!(
        message.starts_with("ran for ")
            && message.ends_with(", its limit is 50ms; in its manifest: [limits] timeout = …"),
        "{message}"
    );
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_limit_of_processor_time() {
    let (class, message) =
        class_of(outcome_within(guest(LOOP), Limits { cpu: Duration::from_millis(50), ..limits() }).await);
    assert_eq!(class, ErrorClass::CpuTime);
    assert!(message.starts_with("computed for ") && message.ends_with("[limits] cpu = …"), "{message}");
}

#[tokio::test]
async fn an_endless_loop_in_the_start_function_ends_at_its_limits() {
    let start = r#"(memory (export "memory") 1) (func $forever (loop (br 0))) (start $forever)"#;
    let outcome =
        outcome_within(guest_with(start, "(unreachable)"), Limits { timeout: Duration::from_millis(50), ..limits() });
    assert_eq!(class_of(outcome.await).0, ErrorClass::Timeout);
}

#[tokio::test]
async fn a_receipt_says_what_was_used() {
    let sandbox = sandbox();
    let program = prepare(&sandbox, guest_with(EMPTY_OBJECT, &answer(64, 2))).await.unwrap();
    let receipt = execute(&sandbox, program).await.receipt;
    assert_eq!((receipt.payload, receipt.result, receipt.log_bytes), (2, 2, 0));
    assert_eq!(receipt.memory, 64 << 10);
    assert!(!receipt.cpu.is_zero() && receipt.cpu <= receipt.wall + Duration::from_millis(10), "{receipt:?}");

    let looping =
        prepare_with(&sandbox, guest(LOOP), Limits { cpu: Duration::from_millis(50), ..limits() }).await.unwrap();
    let receipt = execute(&sandbox, looping).await.receipt;
    assert!(receipt.cpu > Duration::from_millis(50), "{receipt:?}");
}

#[tokio::test]
async fn a_payload_above_its_limit_is_not_handed_over() {
    let outcome = outcome_within(guest("(unreachable)"), Limits { payload: ByteSize::b(1), ..limits() }).await;
    let (class, message) = class_of(outcome);
    assert_eq!(class, ErrorClass::PayloadTooLarge);
    assert_eq!(message, "the payload has 2 bytes, its limit is 1 bytes; in its manifest: [limits] payload = …");
}

#[tokio::test]
async fn no_more_of_a_component_are_executed_at_once_than_it_may() {
    let sandbox = sandbox();
    let bytes = guest_with(EMPTY_OBJECT, &answer(64, 2));
    let one = prepare_with(&sandbox, bytes.clone(), Limits { concurrency: 1, ..limits() }).await.unwrap();
    let other = prepare(&sandbox, bytes).await.unwrap();
    let taken = sandbox.slot(&one, Priority::Normal).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(50), sandbox.slot(&one, Priority::Normal));
    assert!(waiting.await.is_err(), "there is one place");
    assert!(sandbox.slot(&other, Priority::Normal).await.is_some(), "others have theirs");
    drop(taken);
    assert!(sandbox.slot(&one, Priority::Normal).await.is_some());
}

#[tokio::test]
async fn endless_loops_on_every_thread_do_not_keep_others_from_running() {
    let sandbox = sandbox();
    let looping = prepare(&sandbox, guest(LOOP)).await.unwrap();
    let loops: Vec<_> = (0..6)
        .map(|_| {
            let (sandbox, program) = (sandbox.clone(), looping.clone());
            tokio::spawn(async move { run(&sandbox, program).await })
        })
        .collect();
    let quick = prepare(&sandbox, guest_with(EMPTY_OBJECT, &answer(64, 2))).await.unwrap();
    for _ in 0..20 {
        let outcome = run(&sandbox, quick.clone()).await;
        assert_eq!(outcome, Outcome::Completed("{}".into()));
    }
    sandbox.interrupt();
    for looped in loops {
        assert_eq!(looped.await.unwrap(), Outcome::Interrupted);
    }
    assert!(sandbox.slot(&quick, Priority::Normal).await.is_none(), "an interrupted sandbox takes nobody in");
}

#[tokio::test]
async fn memory_ends_at_its_limit() {
    let grow = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)";
    let (class, message) = class_of(outcome_of(guest(grow)).await);
    assert_eq!(class, ErrorClass::OutOfMemory);
    assert!(
        message
            .starts_with("asked for 4259840 bytes, its limit is 4194304 bytes; in its manifest: [limits] memory = …"),
        "{message}"
    );
}

#[tokio::test]
async fn a_memory_that_starts_above_the_limit_is_refused() {
    let outcome = outcome_of(guest_with(r#"(memory (export "memory") 100)"#, "(unreachable)")).await;
    assert_eq!(class_of(outcome).0, ErrorClass::OutOfMemory);
}

#[tokio::test]
async fn deep_recursion_traps() {
    let recursion = r#"(memory (export "memory") 1) (func $down (param i64) (result i64)
        (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (local.get 0)))"#;
    let outcome = outcome_of(guest_with(recursion, "(drop (call $down (i64.const 0))) (i32.const 0)")).await;
    let (class, message) = class_of(outcome);
    assert_eq!(class, ErrorClass::Trap);
    assert!(message.contains("call stack exhausted"), "{message}");
}

#[tokio::test]
async fn traps_are_told_and_leave_the_sandbox_in_use() {
    let sandbox = sandbox();
    let traps = [
        ("(unreachable)", "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "integer divide by zero"),
        ("(i32.load (i32.const -4))", "out of bounds memory access"),
    ];
    for (body, told) in traps {
        let program = prepare(&sandbox, guest(body)).await.unwrap();
        // More often than there are slots: a trap must give its slot back.
        for _ in 0..20 {
            let (class, message) = class_of(run(&sandbox, program.clone()).await);
            assert_eq!(class, ErrorClass::Trap);
            assert!(message.contains(told), "{message}");
        }
    }
}

#[tokio::test]
async fn a_result_must_be_json_and_within_its_limit() {
    let (class, message) = class_of(outcome_of(guest_with(EMPTY_OBJECT, &answer(64, 1))).await);
    assert_eq!(class, ErrorClass::BadOutput);
    assert!(message.starts_with("the result is not JSON: "), "{message}");

    let large = r#"(memory (export "memory") 3)"#;
    let (class, message) = class_of(outcome_of(guest_with(large, &answer(64, 70_000))).await);
    assert_eq!(class, ErrorClass::OutputTooLarge);
    assert_eq!(message, "the result has 70000 bytes, its limit is 65536 bytes; in its manifest: [limits] output = …");
}

#[tokio::test]
async fn a_result_that_is_no_utf8_or_lies_outside_of_memory_is_a_trap() {
    let broken = r#"(memory (export "memory") 1) (data (i32.const 64) "\ff\fe")"#;
    assert_eq!(class_of(outcome_of(guest_with(broken, &answer(64, 2))).await).0, ErrorClass::Trap);
    assert_eq!(class_of(outcome_of(guest(&answer(65_000, 10_000))).await).0, ErrorClass::Trap);
    assert_eq!(class_of(outcome_of(guest("(i32.const 0x7fffffff)")).await).0, ErrorClass::Trap);
}

#[tokio::test]
async fn what_one_guest_leaves_in_memory_the_next_does_not_find() {
    let sandbox = sandbox();
    // Traps if the word at 128 is not zero, and writes there.
    let body = format!(
        "(if (i32.load (i32.const 128)) (then (unreachable))) (i32.store (i32.const 128) (i32.const 7)) {}",
        answer(64, 2)
    );
    let program = prepare(&sandbox, guest_with(EMPTY_OBJECT, &body)).await.unwrap();
    for _ in 0..50 {
        let outcome = run(&sandbox, program.clone()).await;
        assert_eq!(outcome, Outcome::Completed("{}".into()));
    }
}

#[tokio::test]
async fn what_is_no_task_is_refused_with_what_it_is() {
    let sandbox = sandbox();
    let refused = [
        (b"hello, world".to_vec(), "it is no WebAssembly"),
        (b"\0asm\x01\0\0\0".to_vec(), "it is a core module, not a component"),
        (component(""), "it exports no `execute` (it exports: nothing)"),
        (component(r#"(import "wasi:nn/tensor@0.2.0" (instance)) "#), "it exports no `execute`"),
        (
            component(r#"(import "acme:db/query@1.0.0" (instance))"#),
            "it imports acme:db/query@1.0.0, which warren does not provide",
        ),
        (
            component(
                r#"(core module $code (func (export "execute")))
                   (core instance $instance (instantiate $code))
                   (func $execute (canon lift (core func $instance "execute")))
                   (export "execute" (func $execute))"#,
            ),
            "its export `execute` is not `func(payload: string) -> result<string, failure>`",
        ),
    ];
    for (bytes, told) in refused {
        let Err(message) = prepare(&sandbox, bytes).await else { panic!("not refused: {told}") };
        assert!(message.contains(told), "expected {told:?} in {message:?}");
    }
    let mut cut_off = guest("(unreachable)");
    cut_off.truncate(cut_off.len() / 2);
    assert!(prepare(&sandbox, cut_off).await.is_err_and(|message| message.starts_with("it does not compile")));
}

/// Takes out one timer after another and gives none back: each is an object in the host's memory, not in its own.
fn hoarder() -> Vec<u8> {
    component(
        r#"
        (type $failure (variant (case "invalid" string) (case "business" string) (case "technical" string)))
        (export $exported "failure" (type $failure))
        (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
        (alias export $poll "pollable" (type $pollable))
        (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
          (alias outer 1 $pollable (type $p))
          (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
        (core func $subscribe (canon lower (func $clock "subscribe-duration")))
        (core module $code
          (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
          (memory (export "memory") 1)
          (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
          (func (export "execute") (param i32 i32) (result i32)
            (loop $more (drop (call $subscribe (i64.const 1000000000000))) (br $more)) (unreachable)))
        (core instance $instance (instantiate $code (with "host" (instance (export "subscribe" (func $subscribe))))))
        (func $execute (param "payload" string) (result (result string (error $exported)))
          (canon lift (core func $instance "execute")
            (memory (core memory $instance "memory")) (realloc (core func $instance "realloc"))))
        (export "execute" (func $execute))"#,
    )
}

#[tokio::test]
async fn objects_that_a_guest_holds_in_the_host_are_bounded() {
    let (class, message) = class_of(outcome_of(hoarder()).await);
    assert_eq!(class, ErrorClass::Trap, "{message}");
    assert!(message.contains("table"), "{message}");
}

#[test]
fn a_digest_names_the_bytes() {
    assert_ne!(Digest::of(b"a"), Digest::of(b"b"));
}
