//! What the compiler says where a macro refuses. What a macro takes is in `entities.rs` and `entities_strict.rs`.
//!
//! Each `tests/ui/*.rs` must not compile, with the messages in the file beside it. To write those again after the compiler
//! has changed: `TRYBUILD=overwrite cargo test -p event-driven --test ui`, then read the difference.

#[test]
fn what_the_macros_refuse() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
