//! `warren component push`, `versions`, `use` and `remove`, on a directory.

use std::{fs, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{answering, process::warren, run, succeed};

/// Someone in a folder with two components and a store.
pub(crate) struct Author {
    pub(crate) folder: TempDir,
}

impl Author {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [("one.wasm", "one"), ("two.wasm", "two")] {
            fs::write(folder.path().join(file), answering(text)).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn component(&self, args: &[&str]) -> Command {
        let mut command = warren();
        command.current_dir(self.folder.path()).env("USER", "author").arg("component").args(args);
        command
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&succeed(self.component(args).args(["--output", "json"]))).unwrap()
    }
}

#[test]
fn a_version_is_pushed_listed_used_and_removed() {
    let author = Author::new();
    let command = |args: &[&str]| succeed(&mut author.component(args));
    assert!(command(&["push", "one.wasm", "--name", "work"]).starts_with("work is in components as version 1 ("));
    let again = command(&["push", "one.wasm", "--name", "work"]);
    assert!(again.starts_with("work is in components as version 1 already, nothing has changed ("), "{again}");
    fs::write(author.folder.path().join("m.toml"), "[limits]\ntimeout = '5s'\n").unwrap();
    command(&["push", "two.wasm", "--name", "work", "--manifest", "m.toml", "--by", "ci \u{1b}[2J"]);

    let versions = author.json(&["versions", "work"]);
    let fields = |n: usize| [&versions[n]["number"], &versions[n]["current"], &versions[n]["manifest"]];
    assert_eq!(fields(0), [&json!(1), &json!(false), &Value::Null]);
    assert_eq!(fields(1), [&json!(2), &json!(true), &json!("[limits]\ntimeout = '5s'\n")]);
    assert!(versions[0]["by"].as_str().unwrap().starts_with("author@"), "{versions}");
    let table = command(&["versions", "work"]);
    assert!(table.contains("ci [2J") && !table.contains('\u{1b}'), "{table}");

    let used = command(&["use", "work", "1"]);
    assert!(
        used.starts_with("version 1 of work is current (sha256:") && used.ends_with("; it was version 2\n"),
        "{used}"
    );
    assert_eq!(author.json(&["list"])[0]["version"], 1);
    assert_eq!(author.json(&["show", "work"])["version"], 1);
    let (code, _, stderr) = run(&mut author.component(&["use", "work", "3"]));
    assert_eq!((code, stderr.trim()), (1, "error: component work has no version 3; it has 1 to 2"));

    let (code, _, stderr) = run(author.component(&["remove", "work"]).stdin(std::process::Stdio::null()));
    assert!(code == 1 && stderr.contains("--yes does without"), "{stderr}");
    assert_eq!(
        command(&["remove", "work", "--yes"]),
        "work is removed; `warren component use work 1` brings it back\n"
    );
    assert_eq!(author.json(&["list"]), json!([]));
    let (code, _, stderr) = run(&mut author.component(&["remove", "work", "--yes"]));
    assert_eq!((code, stderr.trim()), (1, "error: there is no component work in components"));
    assert!(command(&["use", "work", "2"]).ends_with("; it had been removed\n"));
}

#[test]
fn a_push_without_a_manifest_is_checked_with_the_one_that_it_keeps() {
    let author = Author::new();
    fs::write(author.folder.path().join("m.toml"), "[grants]\nhosts = ['example.com:443']\n").unwrap();
    let mut granted = author.component(&["push", "one.wasm", "--name", "work", "--manifest", "m.toml"]);
    succeed(granted.env("WARREN_ALLOW_HOSTS", "example.com:443"));
    let (code, _, stderr) = run(&mut author.component(&["push", "two.wasm", "--name", "work"]));
    assert!(code == 1 && stderr.contains("the manifest of work in components can't be used"), "{stderr}");
    assert!(stderr.contains("[allow] hosts = [\"example.com:443\"]"), "{stderr}");
    assert_eq!(author.json(&["versions", "work"]).as_array().unwrap().len(), 1);
    let mut allowed = author.component(&["push", "two.wasm", "--name", "work"]);
    let told = succeed(allowed.env("WARREN_ALLOW_HOSTS", "example.com:443"));
    assert!(told.contains("as version 2 (") && told.contains("with the manifest that it had"), "{told}");
}

#[test]
fn names_that_no_task_can_have_are_refused_and_twins_too() {
    let author = Author::new();
    succeed(&mut author.component(&["push", "one.wasm", "--name", "work"]));
    for (name, told) in [
        ("../work", "can't hold '/'"),
        ("a..b", "can't hold \"..\""),
        ("a/b", "can't hold '/'"),
        ("w\u{43e}rk", "can't hold '\u{43e}'"),
        ("w\u{ff4f}rk", "can't hold '\u{ff4f}'"),
        (
            "WORK",
            "there is a component work, which differs from WORK only in case: a disk may take both for one; push it as work",
        ),
    ] {
        let (code, _, stderr) = run(&mut author.component(&["push", "two.wasm", "--name", name]));
        assert!(code != 0 && stderr.contains(told), "{name}: {stderr}");
    }
    assert_eq!(author.json(&["list"]).as_array().unwrap().len(), 1);
}

#[test]
fn an_index_that_is_garbage_is_told_by_the_commands() {
    let author = Author::new();
    succeed(&mut author.component(&["push", "one.wasm", "--name", "work"]));
    succeed(&mut author.component(&["push", "one.wasm", "--name", "other"]));
    fs::write(author.folder.path().join("components/index/work/00000002.json"), "{").unwrap();
    let (code, stdout, stderr) = run(&mut author.component(&["list"]));
    assert!(code == 1 && stdout.contains("other") && !stdout.contains("work"), "{stdout}");
    assert!(stderr.contains("index/work/00000002.json is no index of work"), "{stderr}");
    for args in [&["show", "work"][..], &["versions", "work"], &["push", "two.wasm", "--name", "work"]] {
        let (code, _, stderr) = run(&mut author.component(args));
        assert!(code == 1 && stderr.contains("remove it, and the one before it counts"), "{args:?}: {stderr}");
    }
}
