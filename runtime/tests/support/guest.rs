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
    component(&format!(
        r#"
        (type $failure (variant (case "invalid" string) (case "business" string) (case "technical" string)))
        (export $exported "failure" (type $failure))
        (core module $code
          {definitions}
          (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
          (func (export "execute") (param i32 i32) (result i32) {body}))
        (core instance $instance (instantiate $code))
        (func $execute (param "payload" string) (result (result string (error $exported)))
          (canon lift (core func $instance "execute")
            (memory (core memory $instance "memory")) (realloc (core func $instance "realloc"))))
        (export "execute" (func $execute))"#
    ))
}

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
