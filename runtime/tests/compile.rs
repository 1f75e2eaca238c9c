//! The check at the door: bytes that are made to hurt what compiles them end in a message that names the limit, never in
//! harm.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/children.rs"]
mod children;
#[path = "support/guest.rs"]
mod guest;
#[path = "support/hostile.rs"]
mod hostile;

use std::time::{Duration, Instant};

use bytesize::ByteSize;
use children::children;
use guest::guest;
use hostile::{additions, around, component, custom, data, functions};
use warren::{
    components::{ChildProcess, CompileError, CompileLimits, Compiler, Place},
    config::Config,
    sandbox::compiling_engine,
};

const STACK: usize = 512 << 10;

fn limits() -> CompileLimits {
    Config::default().to_compile_limits()
}

/// A compiler whose child has these limits.
fn compiler(limits: CompileLimits) -> Compiler {
    let child = ChildProcess::new(env!("CARGO_BIN_EXE_warren").into(), STACK, limits);
    Compiler::new(compiling_engine(STACK).unwrap(), Place::Child(child), None)
}

async fn refused(limits: CompileLimits, bytes: Vec<u8>) -> CompileError {
    let compiled = compiler(limits).compile(bytes.into()).await;
    compiled.map(|(digest, _)| digest).expect_err("it was to be refused")
}

#[tokio::test]
async fn what_a_child_has_compiled_is_what_would_have_been_compiled_here() {
    let bytes = guest("(unreachable)");
    let (digest, component) = compiler(limits()).compile(bytes.clone().into()).await.unwrap();
    let here = Compiler::new(compiling_engine(STACK).unwrap(), Place::InProcess, None);
    let (same_digest, same) = here.compile(bytes.into()).await.unwrap();
    assert_eq!(digest, same_digest);
    assert_eq!(component.serialize().unwrap(), same.serialize().unwrap());
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_the_reason_of_the_child() {
    let error = refused(limits(), [b"\0asm\x0d\0\x01\0".as_slice(), b"\x01\x03abc"].concat()).await;
    assert!(matches!(error, CompileError::Invalid(_)) && !error.may_pass(), "{error:?}");
    assert!(error.to_string().starts_with("it does not compile: "), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[tokio::test]
async fn one_that_takes_the_compiler_longer_than_it_may_is_given_up() {
    let started = Instant::now();
    let time = Duration::from_secs(1);
    let error = refused(CompileLimits { time, ..limits() }, around(functions(100_000, &additions(40)))).await;
    assert_eq!(
        error.to_string(),
        "compiling it takes more than 1s of processor time (setting components.compile_time)"
    );
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[tokio::test]
async fn one_that_takes_the_compiler_more_memory_than_it_may_is_given_up() {
    let memory = ByteSize::mib(256);
    let error = refused(CompileLimits { memory, ..limits() }, around(functions(1, &additions(1_000_000)))).await;
    assert_eq!(
        error.to_string(),
        "compiling it takes more than 256.0 MiB of memory (setting components.compile_memory)"
    );
}

#[tokio::test]
async fn one_that_does_not_even_fit_into_the_memory_of_its_compiler_is_given_up() {
    // The compiler itself comes up with that; what is read needs twice its length, in steps.
    let memory = ByteSize::mib(100);
    let error = refused(CompileLimits { memory, ..limits() }, component(&[custom(48 << 20)])).await;
    assert!(matches!(error, CompileError::Memory(limit) if limit == memory), "{error:?}");
    assert!(!error.may_pass());
}

#[tokio::test]
async fn one_that_becomes_more_code_than_it_may_is_refused() {
    let max_code = ByteSize::mib(1);
    let error = refused(CompileLimits { max_code, ..limits() }, around(functions(20_000, &additions(1)))).await;
    assert!(matches!(error, CompileError::Code(_)), "{error:?}");
    assert!(error.to_string().contains("(setting components.memory)"), "{error}");
}

#[tokio::test]
async fn one_that_is_too_large_is_refused_before_anything_is_started() {
    let max_size = ByteSize::kib(1);
    let error = refused(CompileLimits { max_size, ..limits() }, around(functions(1000, &[]))).await;
    assert!(matches!(error, CompileError::TooLarge { .. }), "{error:?}");
    assert!(error.to_string().ends_with("a component has at most 1.0 KiB (setting components.max_size)"), "{error}");
}

#[tokio::test]
async fn a_hundred_thousand_functions_and_bombs_of_data_and_custom_sections_are_compiled_or_refused() {
    let compiler = compiler(limits());
    for (what, bytes) in [
        ("functions", around(functions(100_000, &[]))),
        ("data", around(data(512, 30 << 20))),
        ("a custom section", component(&[custom(60 << 20)])),
        ("custom sections", component(&vec![custom(1); 300_000])),
        ("modules", component(&vec![(1, functions(1, &[])); 50_000])),
    ] {
        let started = Instant::now();
        match compiler.compile(bytes.into()).await {
            Ok((_, component)) => {
                let code = component.image_range();
                println!(
                    "{what}: {} bytes of code in {:?}",
                    code.end as usize - code.start as usize,
                    started.elapsed()
                );
            }
            Err(error) => {
                assert!(!error.may_pass(), "{what}: {error}");
                println!("{what}: {error}, after {:?}", started.elapsed());
            }
        }
    }
}

#[tokio::test]
async fn a_compilation_that_nobody_waits_for_is_killed() {
    let compiler = compiler(limits());
    let bytes = around(functions(100_000, &additions(40)));
    let compiling = tokio::spawn(async move { compiler.compile(bytes.into()).await.map(drop) });
    while children().is_empty() {
        assert!(!compiling.is_finished(), "it was to take long");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    compiling.abort();
    assert!(compiling.await.unwrap_err().is_cancelled());
    let deadline = Instant::now() + Duration::from_secs(60);
    while !children().is_empty() {
        assert!(Instant::now() < deadline, "its process goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_child_of_another_engine_or_that_can_not_be_started_is_told_and_may_pass() {
    let other_stack = ChildProcess::new(env!("CARGO_BIN_EXE_warren").into(), STACK, limits());
    let mut engine = wasmtime::Config::new();
    engine.epoch_interruption(false);
    let compiler = Compiler::new(wasmtime::Engine::new(&engine).unwrap(), Place::Child(other_stack), None);
    let error = compiler.compile(guest("(unreachable)").into()).await.map(drop).unwrap_err();
    assert!(error.may_pass() && error.to_string().contains("another version of warren"), "{error}");

    let none = ChildProcess::new("/nothing/here".into(), STACK, limits());
    let compiler = Compiler::new(compiling_engine(STACK).unwrap(), Place::Child(none), None);
    let error = compiler.compile(guest("(unreachable)").into()).await.map(drop).unwrap_err();
    assert!(error.may_pass() && error.to_string().contains("the process that compiles: No such file"), "{error}");
}
