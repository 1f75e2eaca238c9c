//! The components that the load names: each does one thing, so that its name says how its tasks end.

use crate::guest::{EXECUTE, FAILURE, MEMORY, NUMBER, WAITING, answer, component, guest_with};

/// Each component by its name.
pub(crate) fn components() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("chaos_quick", simple(&answer(64, 6))),
        ("chaos_work", worker()),
        ("chaos_invalid", simple(&refusal(0))),
        ("chaos_business", simple(&refusal(1))),
        ("chaos_technical", simple(&refusal(2))),
        ("chaos_trap", simple("(unreachable)")),
        ("chaos_loop", simple("(loop (br 0)) (unreachable)")),
        ("chaos_second", flaky(1)),
        ("chaos_third", flaky(2)),
    ]
}

/// `"done"` and `no`, as the guests say them.
const TEXTS: &str = r#"(data (i32.const 64) "\"done\"no")"#;

fn simple(body: &str) -> Vec<u8> {
    guest_with(&format!("(memory (export \"memory\") 1) {TEXTS}"), body)
}

/// Code that answers with a failure: the n-th case of `failure`.
fn refusal(case: u32) -> String {
    format!(
        "(i32.store (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (i32.const {case}))
         (i32.store (i32.const 24) (i32.const 70)) (i32.store (i32.const 28) (i32.const 2)) (i32.const 16)"
    )
}

/// Fails as `technical` until it is told that this is attempt `succeeds`, counted from 0.
fn flaky(succeeds: u32) -> Vec<u8> {
    let (done, failed) = (answer(64, 6), refusal(2));
    component(&format!(
        r#"{FAILURE}
        (import "warren:task/context@0.1.0" (instance $context
          (type $record (record (field "task-id" string) (field "task-name" string) (field "attempt" u32)
            (field "correlation-id" string) (field "producer-app" string) (field "deadline-ms" u64)))
          (export "info" (type $info (eq $record)))
          (export "current" (func (result $info)))))
        {MEMORY}
        (core func $current (canon lower (func $context "current")
          (memory $memory) (realloc (core func $base "realloc"))))
        (core module $code
          (import "base" "memory" (memory 1))
          (import "host" "current" (func $current (param i32)))
          {TEXTS}
          (func (export "execute") (param i32 i32) (result i32)
            (call $current (i32.const 128))
            (if (result i32) (i32.lt_u (i32.load (i32.const 144)) (i32.const {succeeds}))
              (then {failed}) (else {done}))))
        (core instance $code (instantiate $code (with "base" (instance $base))
          (with "host" (instance (export "current" (func $current))))))
        {EXECUTE}"#
    ))
}

/// Waits for as many milliseconds as the payload says, a number in decimals.
fn worker() -> Vec<u8> {
    let done = answer(64, 6);
    component(&format!(
        r#"{FAILURE}
        {WAITING}
        {MEMORY}
        (core module $code
          (import "base" "memory" (memory 1))
          (import "host" "block" (func $block (param i32)))
          (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
          {TEXTS}
          {NUMBER}
          (func (export "execute") (param $at i32) (param $length i32) (result i32)
            (call $block (call $subscribe
              (i64.mul (call $number (local.get $at) (local.get $length)) (i64.const 1000000))))
            {done}))
        (core instance $code (instantiate $code (with "base" (instance $base)) (with "host" (instance
          (export "block" (func $block)) (export "subscribe" (func $subscribe))))))
        {EXECUTE}"#
    ))
}
