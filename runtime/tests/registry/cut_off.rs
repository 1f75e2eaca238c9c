//! A push that is killed, at the points where it hurts most. The server is real; a gate before it holds one request, so that
//! the process is killed there and nowhere else.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use warren::components::{ComponentStore, Digest};

use crate::{
    answering,
    guest::padded,
    process::{PATIENCE, warren},
    s3::{Gate, S3},
    succeed,
};

fn push(file: &Path, variables: Vec<(String, String)>) -> Command {
    let mut command = warren();
    command.args(["component", "push", "--name", "work"]).arg(file).envs(variables);
    command.env("WARREN_COMPONENTS_URL", "s3://components/here");
    command
}

/// Pushes through the gate, waits until the request comes that it holds, and kills the process.
fn push_and_kill(file: &Path, gate: &Gate) {
    let mut child = push(file, gate.variables()).stdout(Stdio::null()).spawn().unwrap();
    gate.wait(PATIENCE);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_killed_between_file_and_index_has_changed_nothing() {
    let Some(server) = S3::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.wasm"), folder.path().join("two.wasm"));
    fs::write(&one, answering("one")).unwrap();
    fs::write(&two, answering("two")).unwrap();
    let store = ComponentStore::open_with("s3://components/here", server.variables().into_iter()).unwrap();
    let gate = Gate::before(&server, "PUT /components/here/index/work/");
    push_and_kill(&one, &gate);
    assert_eq!(store.list().await.unwrap(), []);
    succeed(&mut push(&one, server.variables()));
    let before = store.list().await.unwrap();
    assert_eq!(before[0].digest(), Some(&Digest::of(&answering("one"))));

    push_and_kill(&two, &gate);
    assert_eq!(store.list().await.unwrap(), before);
    assert!(succeed(&mut push(&two, server.variables())).contains("as version 2 ("));
    assert_eq!(store.list().await.unwrap()[0].digest(), Some(&Digest::of(&answering("two"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_killed_half_way_through_the_file_has_changed_nothing() {
    let Some(server) = S3::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.wasm");
    let bytes = padded(answering("one"), 20 << 20);
    fs::write(&file, &bytes).unwrap();
    let store = ComponentStore::open_with("s3://components/here", server.variables().into_iter()).unwrap();
    push_and_kill(&file, &Gate::before(&server, "partNumber=2"));
    assert_eq!(store.list().await.unwrap(), []);
    succeed(&mut push(&file, server.variables()));
    let stored = store.list().await.unwrap().remove(0);
    assert_eq!(store.read(&stored).await.unwrap(), bytes);
}
