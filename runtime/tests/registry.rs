//! The registry as those use it who deploy: the commands, runtimes that take up what was pushed, and pushes that are cut off.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "registry/commands.rs"]
mod commands;
#[path = "registry/cut_off.rs"]
mod cut_off;
#[path = "support/database.rs"]
mod database;
#[path = "support/guest.rs"]
mod guest;
#[path = "registry/outage.rs"]
mod outage;
#[path = "support/process.rs"]
mod process;
#[path = "registry/rollback.rs"]
mod rollback;
#[path = "support/s3.rs"]
mod s3;
#[path = "registry/shadowed.rs"]
mod shadowed;
#[path = "support/stack.rs"]
mod stack;
#[path = "support/steady.rs"]
mod steady;
#[path = "registry/terminal.rs"]
mod terminal;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use std::process::{Command, Output};

/// Runs it; gives its exit code, stdout and stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Runs it, and expects that it succeeds.
fn succeed(command: &mut Command) -> String {
    let (code, stdout, stderr) = run(command);
    assert_eq!(code, 0, "{command:?}: {stderr}");
    stdout
}

/// A component that answers with a text.
fn answering(text: &str) -> Vec<u8> {
    let memory = format!(r#"(memory (export "memory") 1) (data (i32.const 64) "\"{text}\"")"#);
    guest::guest_with(&memory, &guest::answer(64, u32::try_from(text.len() + 2).unwrap()))
}
