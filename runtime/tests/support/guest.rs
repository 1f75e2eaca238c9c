//! Guests written in WebAssembly's text format: they do what no compiler would let them do.

#![allow(dead_code, reason = "each suite uses a part of it")]

/// A component that exports `execute`, with this core code as its body: the payload is at local 0 (offset) and 1
/// (length), the answer is read at the offset that it returns.
///
/// The code finds a memory of one page; offsets from 4096 on are the payload's.
pub fn guest(body: &str) -> Vec<u8> {
    guest_with("(memory (export \"memory\") 1)", body)
}

/// The same with other definitions in front of the function; they have to export a memory.
pub fn guest_with(definitions: &str, body: &str) -> Vec<u8> {
    component(&execute(definitions, body))
}

/// The definitions of such a component, for one that has others beside them.
pub fn execute(definitions: &str, body: &str) -> String {
    format!(
        r#"{FAILURE}
        (core module $code
          {definitions}
          (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
          (func (export "execute") (param i32 i32) (result i32) {body}))
        (core instance $instance (instantiate $code))
        (func $execute (param "payload" string) (result (result string (error $exported)))
          (canon lift (core func $instance "execute")
            (memory (core memory $instance "memory")) (realloc (core func $instance "realloc"))))
        (export "execute" (func $execute))"#
    )
}

/// The type of what a task fails with.
pub const FAILURE: &str = r#"
    (type $failure (variant (case "invalid" string) (case "business" string) (case "technical" string)))
    (export $exported "failure" (type $failure))"#;

/// The memory as a module's of its own: what is imported needs it before there is code that calls it.
pub const MEMORY: &str = r#"
    (core module $base
      (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
    (core instance $base (instantiate $base))
    (alias core export $base "memory" (core memory $memory))"#;

/// The export of a component whose code is `$code`, and its memory [`MEMORY`].
pub const EXECUTE: &str = r#"
    (func $execute (param "payload" string) (result (result string (error $exported)))
      (canon lift (core func $code "execute") (memory $memory) (realloc (core func $base "realloc"))))
    (export "execute" (func $execute))"#;

/// The imports with which a guest waits: the core functions `$subscribe` (nanoseconds) and `$block`.
pub const WAITING: &str = r#"
    (import "wasi:io/poll@0.2.0" (instance $poll
      (export "pollable" (type $pollable (sub resource)))
      (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
    (alias export $poll "pollable" (type $pollable))
    (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
      (alias outer 1 $pollable (type $p))
      (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
    (core func $block (canon lower (func $poll "[method]pollable.block")))
    (core func $subscribe (canon lower (func $clock "subscribe-duration")))"#;

/// The core function that reads a number in decimals.
pub const NUMBER: &str = r#"
    (func $number (param $at i32) (param $length i32) (result i64) (local $number i64)
      (block $read (loop $digit
        (br_if $read (i32.eqz (local.get $length)))
        (local.set $number (i64.add (i64.mul (local.get $number) (i64.const 10))
          (i64.extend_i32_u (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $digit)))
      (local.get $number))"#;

/// A component with these definitions.
pub fn component(definitions: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {definitions})")).expect("the test's own text is well formed")
}

/// Code that answers with the `length` bytes at `offset` as its result.
pub fn answer(offset: u32, length: u32) -> String {
    format!(
        "(i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const {offset}))
         (i32.store (i32.const 24) (i32.const {length})) (i32.const 16)"
    )
}

/// The same component with a section of that size behind it, which nobody reads.
pub fn padded(mut component: Vec<u8>, size: u32) -> Vec<u8> {
    let leb = |mut n: u32, out: &mut Vec<u8>| loop {
        let byte = u8::try_from(n & 0x7f).expect("seven bits");
        n >>= 7;
        if n == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    };
    component.push(0);
    leb(size + 2, &mut component);
    component.extend_from_slice(b"\x01p");
    component.resize(component.len() + usize::try_from(size).expect("an address"), b'p');
    component
}
