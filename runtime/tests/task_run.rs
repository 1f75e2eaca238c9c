//! `warren task run`: a component in the sandbox of the runtime, with neither broker nor database.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/guest.rs"]
mod guest;
#[path = "support/process.rs"]
mod process;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
};

use process::{PATIENCE, attacker, compiled, components, warren};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An author's folder, with the settings that bound what is run there.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("warren.toml"), "[allow]\nsecrets = [\"env:KEY\"]\n").unwrap();
        fs::copy(attacker(), folder.path().join("guest.wasm")).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = warren();
        command.current_dir(self.0.path()).env("WARREN_COMPONENTS_CACHE", compiled()).env("KEY", "pa55word");
        command.args(["task", "run"]).args(args);
        command
    }

    /// Runs it; gives its exit code, stdout and stderr.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// Has the guest try something; gives the exit code and the whole report.
    fn attack(&self, attack: &Value) -> (i32, Value) {
        let (code, stdout, stderr) = self.run(&["guest.wasm", "--payload", &attack.to_string(), "--output", "json"]);
        (code, serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}")))
    }
}

#[test]
fn the_result_alone_goes_to_stdout_and_what_the_guest_wrote_to_stderr() {
    let folder = Folder::new();
    let say = r#"{"attack":"say","out":"first\u001b[2J\n","err":"second"}"#;
    let (code, stdout, stderr) = folder.run(&["guest.wasm", "--payload", say]);
    assert_eq!(code, 0, "{stderr}");
    assert!(serde_json::from_str::<Value>(&stdout).is_ok(), "{stdout}");
    let lines: Vec<_> = stderr.lines().collect();
    assert!(lines[0].starts_with("first\\u{1b}[2J") && stderr.contains("second"), "{stderr}");
    assert!(stderr.contains("COMPLETED\n  used ") && stderr.contains("of processor time in "), "{stderr}");

    let (code, report) = folder.attack(&serde_json::from_str(say).unwrap());
    assert_eq!((code, &report["status"], &report["task_name"]), (0, &json!("COMPLETED"), &json!("guest")));
    assert!(report["log"].as_str().unwrap().contains("second"), "{report}");
    assert_eq!(report["receipt"]["log_bytes"], report["log"].as_str().unwrap().len());
    assert!(report["receipt"]["memory_bytes"].as_u64() > Some(65_536), "{report}");
}

#[test]
fn the_manifest_grants_and_nothing_else_does() {
    let folder = Folder::new();
    let write = json!({ "attack": "write", "path": "/scratch/x", "bytes": 16, "times": 1 });
    let (code, report) = folder.attack(&write);
    assert_eq!((code, &report["status"], &report["manifest"]), (1, &json!("FAILED"), &Value::Null));
    assert!(!folder.attack(&json!({ "attack": "environment" })).1.to_string().contains("pa55word"));

    folder
        .write("guest.toml", "[grants]\nscratch = true\nenv = { GREETING = \"hi\" }\nsecrets = { A = \"env:KEY\" }\n");
    let (code, report) = folder.attack(&write);
    assert_eq!((code, &report["manifest"]), (0, &json!("guest.toml")), "{report}");
    let (_, report) = folder.attack(&json!({ "attack": "environment" }));
    assert!(report["result"].to_string().contains("GREETING") && report.to_string().contains("pa55word"), "{report}");

    folder.write("other.toml", "");
    let payload = write.to_string();
    let (code, ..) = folder.run(&["guest.wasm", "--payload", &payload, "--manifest", "other.toml"]);
    assert_eq!(code, 1, "the manifest that was named counts, not the one beside the file");
}

#[test]
fn a_run_that_fails_says_how_and_exits_with_1() {
    let folder = Folder::new();
    folder.write("guest.toml", "[limits]\ntimeout = \"5min\"\ncpu = \"2s\"\n");
    let cases = [
        (json!({ "attack": "nothing of the kind" }), "invalid", false),
        (json!({ "attack": "read", "path": "/etc/passwd" }), "technical", true),
        (json!({ "attack": "panic" }), "trap", true),
        (json!({ "attack": "spin" }), "cpu_time", true),
    ];
    for (attack, class, may_pass) in cases {
        let (code, report) = folder.attack(&attack);
        assert_eq!(
            (code, &report["error_class"], &report["may_pass"]),
            (1, &json!(class), &json!(may_pass)),
            "{report}"
        );
        assert!(report["error"].as_str().unwrap().starts_with(&format!("{class}: ")), "{report}");
        assert_eq!(report["result"], Value::Null);
    }
    folder.write("guest.toml", "[limits]\ntimeout = \"300ms\"\n");
    let (code, report) = folder.attack(&json!({ "attack": "sleep", "ms": 600_000 }));
    assert_eq!((code, &report["error_class"]), (1, &json!("timeout")), "{report}");
    fs::copy(components().join("process_order.wasm"), folder.file("order.wasm")).unwrap();
    let order = include_str!("../../examples/payloads/empty_order.json");
    folder.write("order.json", order);
    let (code, stdout, stderr) = folder.run(&["order.wasm", "--payload", "@order.json"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.starts_with("FAILED  business: "), "{stderr}");
}

#[test]
fn what_can_not_be_run_is_told_with_what_to_do_and_exits_with_2() {
    let folder = Folder::new();
    folder.write("text.wasm", "hello");
    fs::write(folder.file("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    fs::write(folder.file("other.wasm"), guest::component(r#"(import "acme:db/query@1.0.0" (instance))"#)).unwrap();
    folder.write("greedy.toml", "[limits]\ntimeout = \"1h\"\n[grants]\nhosts = [\"a.org:443\"]\n");
    folder.write("secret.toml", "[grants]\nsecrets = { A = \"env:OTHER\" }\n");
    let cases: &[(&[&str], &[&str])] = &[
        (&["guest.wasm", "--payload", "{a:1}"], &["--payload is no JSON", "@FILE", "line 1 column 2"]),
        (&["guest.wasm", "--payload", "@none.json"], &["--payload @none.json can't be read"]),
        (&["none.wasm"], &["none.wasm can't be read", "`warren component build`"]),
        (&["text.wasm"], &["text.wasm can't be a component of warren", "no WebAssembly"]),
        (&["core.wasm"], &["core.wasm can't be a component of warren", "core module", "wasm32-wasip2"]),
        (&["other.wasm"], &["imports acme:db/query@1.0.0, which warren does not provide"]),
        (
            &["guest.wasm", "--manifest", "greedy.toml"],
            &["greedy.toml can't be used", "[ceiling] timeout", "[allow] hosts"],
        ),
        (&["guest.wasm", "--manifest", "secret.toml"], &["secret.toml can't be used", "[allow] secrets"]),
        (&["guest.wasm", "--manifest", "none.toml"], &["the manifest none.toml can't be read"]),
        (&["guest"], &["./guest.wasm"]),
        (&["guest", "--watch"], &["--watch watches files"]),
        (&["none/guest.wasm", "--watch"], &["there is no folder none: build first"]),
    ];
    for (args, told) in cases {
        let (code, stdout, stderr) = folder.run(args);
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        for told in *told {
            assert!(stderr.contains(told), "{args:?}: expected {told:?} in {stderr}");
        }
    }
}

#[test]
fn a_name_is_found_in_the_store_with_its_manifest() {
    let folder = Folder::new();
    fs::create_dir(folder.file("components")).unwrap();
    fs::copy(components().join("echo.wasm"), folder.file("components/echo.wasm")).unwrap();
    folder.write("components/echo.toml", "[limits]\npayload = \"8B\"\n");
    let mut command = folder.command(&["echo", "--payload", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"a":1}"#).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"{\"a\":1}\n"[..]));
    let (code, _, stderr) = folder.run(&["echo", "--payload", r#"{"a":12345}"#]);
    assert!(code == 1 && stderr.contains("payload_too_large"), "{stderr}");
}

/// A command that goes on, with the lines of its stdout and of its stderr.
struct Watching {
    child: Child,
    stdout: mpsc::Receiver<String>,
    stderr: mpsc::Receiver<String>,
}

fn lines(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}

impl Watching {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, stdout, stderr }
    }

    /// The next line of its stdout.
    fn result(&self) -> String {
        self.stdout.recv_timeout(PATIENCE).expect("it runs again")
    }

    /// The next line of its stdout that is another than `last`: it may see one change twice, and run it twice.
    fn result_after(&self, last: &str) -> String {
        loop {
            let line = self.result();
            if line != last {
                return line;
            }
        }
    }

    /// Waits for a line of its stderr that contains `text`.
    fn told(&self, text: &str) {
        while !self.stderr.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it did not say {text:?}")).contains(text) {
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_change_of_the_component_its_manifest_or_the_payload_runs_it_again() {
    let folder = Folder::new();
    let replace = |from: PathBuf| {
        // As cargo does it: another file takes the name.
        fs::copy(from, folder.file("new")).unwrap();
        fs::rename(folder.file("new"), folder.file("it.wasm")).unwrap();
    };
    replace(components().join("echo.wasm"));
    folder.write("payload.json", r#"{"attack":"none"}"#);
    let mut watching = Watching::start(folder.command(&["it.wasm", "--payload", "@payload.json", "--watch"]));
    assert_eq!(watching.result(), r#"{"attack":"none"}"#);
    watching.told("COMPLETED");

    replace(attacker());
    assert_eq!(watching.result_after(r#"{"attack":"none"}"#), "{}");
    folder.write("payload.json", r#"{"attack":"environment"}"#);
    let environment = watching.result_after("{}");
    assert!(!environment.contains("GREETING"));
    folder.write("it.toml", "[grants]\nenv = { GREETING = \"hi\" }\n");
    let environment = watching.result_after(&environment);
    assert!(environment.contains("GREETING"));

    folder.write("payload.json", "{");
    watching.told("payload.json is no JSON");
    folder.write("payload.json", r#"{"attack":"sleep","ms":600000}"#);
    watching.told("── ");
    folder.write("payload.json", r#"{"attack":"none"}"#);
    watching.told("interrupted");
    assert_eq!(watching.result_after(&environment), "{}");

    let sent = Command::new("kill").args(["-INT", &watching.child.id().to_string()]).status().unwrap();
    assert!(sent.success() && watching.child.wait().unwrap().success());
}

#[test]
fn a_signal_interrupts_a_guest_that_computes() {
    let folder = Folder::new();
    let mut watching = Watching::start(folder.command(&["guest.wasm", "--payload", r#"{"attack":"spin"}"#, "--watch"]));
    watching.told("── ");
    let sent = Command::new("kill").args(["-TERM", &watching.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    watching.told("interrupted");
    assert!(watching.child.wait().unwrap().success());
}
