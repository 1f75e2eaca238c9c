//! `warren component build` where something is missing: each message says what to do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/process.rs"]
mod process;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use process::warren;
use tempfile::TempDir;

/// A folder with a crate that could be a component.
fn crate_folder(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/lib.rs"), "").unwrap();
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    folder
}

const COMPONENT: &str =
    "[package]\nname = \"hello\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n";

/// Runs the build in that folder; gives its exit code and stderr.
fn build(folder: &Path, change: impl FnOnce(&mut Command)) -> (i32, String) {
    let mut command = warren();
    command.current_dir(folder).args(["component", "build"]).env("CARGO", env!("CARGO"));
    change(&mut command);
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

/// A program of that name, which does what the shell's text says.
fn program(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_folder_without_a_crate_of_a_component_is_told() {
    let empty = tempfile::tempdir().unwrap();
    let (code, stderr) = build(empty.path(), |_| ());
    assert!(code == 1 && stderr.contains("there is no crate in .: `warren component new NAME`"), "{stderr}");

    let library = crate_folder("[package]\nname = \"hello\"\nedition = \"2024\"\n[workspace]\n");
    let (code, stderr) = build(library.path(), |_| ());
    assert!(code == 1 && stderr.contains("[lib] crate-type = [\"cdylib\"]"), "{stderr}");

    let workspace = crate_folder("[workspace]\nmembers = [\"one\"]\nresolver = \"3\"\n");
    fs::create_dir_all(workspace.path().join("one/src")).unwrap();
    fs::write(workspace.path().join("one/src/lib.rs"), "").unwrap();
    fs::write(workspace.path().join("one/Cargo.toml"), "[package]\nname = \"one\"\n").unwrap();
    let (code, stderr) = build(workspace.path(), |_| ());
    assert!(code == 1 && stderr.contains("is a workspace and no crate") && stderr.contains("(one)"), "{stderr}");
}

#[test]
fn a_missing_cargo_is_told() {
    let folder = crate_folder(COMPONENT);
    let (code, stderr) = build(folder.path(), |command| {
        command.env_remove("CARGO").env("PATH", folder.path());
    });
    assert!(code == 1 && stderr.contains("there is no cargo on the PATH"), "{stderr}");
    assert!(stderr.contains("rustup target add wasm32-wasip2"), "{stderr}");
}

/// A rustc that says where the target's library would be, in a folder where it is not.
#[test]
fn a_missing_target_is_told_with_and_without_rustup() {
    let folder = crate_folder(COMPONENT);
    let rustc = program(folder.path(), "rustc", &format!("echo {}/none", folder.path().display()));
    let without_library = |path: &Path| {
        build(folder.path(), |command| {
            command.env("RUSTC", &rustc).env("PATH", path);
        })
    };
    let empty = tempfile::tempdir().unwrap();
    let (code, stderr) = without_library(empty.path());
    assert!(
        code == 1 && stderr.contains("there is no rustup") && stderr.contains("scripts/wasip2-target.sh"),
        "{stderr}"
    );

    let with_rustup = tempfile::tempdir().unwrap();
    program(with_rustup.path(), "rustup", "exit 0");
    let (code, stderr) = without_library(with_rustup.path());
    assert!(code == 1 && stderr.trim().ends_with(": rustup target add wasm32-wasip2"), "{stderr}");

    let old = program(folder.path(), "old", "case $1 in --version) echo rustc 1.70.0;; *) exit 1;; esac");
    let (code, stderr) = build(folder.path(), |command| {
        command.env("RUSTC", &old);
    });
    assert!(code == 1 && stderr.contains("rustc 1.70.0 does not know wasm32-wasip2"), "{stderr}");
}
