//! What the compiler says where a macro refuses, and what it takes.
//!
//! Each `tests/ui/*.rs` must not compile, with the messages in the file beside it. To write those again after the compiler
//! has changed: `TRYBUILD=overwrite cargo test -p event-driven --test ui`, then read the difference.

#[test]
fn what_the_macros_refuse_and_take() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
