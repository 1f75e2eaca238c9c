//! The publishers in other languages, each run against a real service, and its row looked at.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/process.rs"]
mod process;
#[path = "support/stack.rs"]
mod stack;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use stack::Stack;
use warren::lifecycle::TaskStatus;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/publishers").join(name).canonicalize().unwrap()
}

/// What `make test` has prepared. A test that can't run says so, and fails where everything has to run.
fn prepared(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        eprintln!("SKIPPED: {variable} is not set; `make test` sets it");
        assert!(std::env::var_os("WARREN_TEST_STRICT").is_none(), "{variable} is not set");
    }
    path
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

async fn assert_row(stack: &Stack, producer: &str) {
    let task = stack.ended("echo", 1).await.remove(0);
    assert_eq!((task.status, task.producer_app.as_deref()), (TaskStatus::Completed, Some(producer)));
    let row = stack.row(&task).await;
    let result: Value = serde_json::from_str(&row.result.unwrap()).unwrap();
    assert_eq!(result, json!({ "a": [1, "ß"] }));
}

const PAYLOAD: &str = r#"{"a": [1, "ß"]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn publish_py() {
    let Some(python) = prepared("WARREN_TEST_PYTHON") else { return };
    let stack = Stack::new().await;
    let _warren = stack.start(&[]);
    succeed(
        Command::new(python).arg(example("publish.py")).args(["echo", PAYLOAD]).env("RABBITMQ_URL", stack.vhost.url()),
    );
    assert_row(&stack, "publish.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_mjs() {
    let Some(modules) = prepared("WARREN_TEST_NODE_MODULES") else { return };
    let stack = Stack::new().await;
    let _warren = stack.start(&[]);
    // Node looks for modules beside the program.
    let folder = tempfile::tempdir().unwrap();
    fs::copy(example("publish.mjs"), folder.path().join("publish.mjs")).unwrap();
    std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).unwrap();
    let program = folder.path().join("publish.mjs");
    succeed(Command::new("node").arg(program).args(["echo", PAYLOAD]).env("RABBITMQ_URL", stack.vhost.url()));
    assert_row(&stack, "publish.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_sh() {
    let stack = Stack::new().await;
    let warren = stack.start(&[]);
    let told = succeed(Command::new(example("publish.sh")).args(["echo", PAYLOAD]).env("WARREN_URL", &warren.url));
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["status"], "COMPLETED");
    assert_row(&stack, "publish.sh").await;
}
