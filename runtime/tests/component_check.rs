//! `warren component check`: what it says of good and of bad components, and that `push` says the same.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/guest.rs"]
mod guest;
#[path = "support/process.rs"]
mod process;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use guest::{component, guest};
use process::{attacker, compiled, warren};
use serde_json::{Value, json};

/// `warren` in a folder whose operator allows little.
fn strict(folder: &Path) -> impl Fn(&[&str]) -> (i32, String, String) {
    fs::write(folder.join("warren.toml"), "[ceiling]\ntimeout = \"1m\"\n[allow]\nhosts = [\"*.example.com:443\"]\n")
        .unwrap();
    let folder = folder.to_owned();
    move |args| {
        let mut command: Command = warren();
        command.current_dir(&folder).env("WARREN_COMPONENTS_CACHE", compiled()).arg("component").args(args);
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

/// A component that can be executed and has these imports. Their instances are empty: what counts is the name.
fn importing(imports: &[&str]) -> Vec<u8> {
    let imports: String = imports.iter().map(|name| format!("(import \"{name}\" (instance))")).collect();
    component(&format!("{imports} {}", guest::execute("(memory (export \"memory\") 1)", "(unreachable)")))
}

#[test]
fn a_good_component_is_told_with_what_its_imports_come_to() {
    let folder = tempfile::tempdir().unwrap();
    let check = strict(folder.path());
    let imports = ["warren:task/context@0.1.0", "wasi:cli/environment@0.2.6", "wasi:filesystem/types@0.2.6"];
    let more = ["wasi:http/outgoing-handler@0.2.6", "wasi:sockets/tcp@0.2.6"];
    fs::write(folder.path().join("good.wasm"), importing(&[&imports[..], &more].concat())).unwrap();
    let manifest = "[grants]\nhosts = [\"api.example.com:443\"]\nenv = { A = \"b\" }\n";
    fs::write(folder.path().join("good.toml"), manifest).unwrap();
    let (code, stdout, stderr) = check(&["check", "good.wasm"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    insta::assert_snapshot!(stdout, @r#"
    IMPORT                            STATE          BY
    warren:task/context@0.1.0         provided
    wasi:cli/environment@0.2.6        granted        [grants] env
    wasi:filesystem/types@0.2.6       not granted    would: [grants] scratch = true, or read = { "/data" = "name" }, or write = { "/out" = "name" }
    wasi:http/outgoing-handler@0.2.6  granted        [grants] hosts
    wasi:sockets/tcp@0.2.6            never granted  nothing: no guest has sockets; HTTP is granted by hosts

    good.wasm can be used, with good.toml (523 B)
    "#);

    let (code, stdout, _) = check(&["check", "good.wasm", "--output", "json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &report["usable"], &report["manifest"]), (0, &json!(true), &json!("good.toml")));
    let expected =
        json!({ "import": "wasi:cli/environment@0.2.6", "state": "granted", "granted_by": ["env"], "would_grant": [] });
    assert_eq!(report["imports"][1], expected);
    assert!(report["digest"].as_str().unwrap().starts_with("sha256:"));
}

#[test]
fn a_bad_component_is_told_with_all_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let check = strict(folder.path());
    let imports = ["wasi:cli/exit@0.2.6", "acme:db/query@1.0.0", "acme:db/write@1.0.0"];
    fs::write(folder.path().join("bad.wasm"), importing(&imports)).unwrap();
    fs::write(folder.path().join("bad.toml"), "[limits]\ntimeout = \"2m\"\n[grants]\nhosts = [\"a.org:443\"]\n")
        .unwrap();
    let (code, stdout, _) = check(&["check", "bad.wasm"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(stdout, @r#"
    IMPORT               STATE         BY
    wasi:cli/exit@0.2.6  provided
    acme:db/query@1.0.0  not provided  warren provides WASI 0.2 and warren:task 0.1
    acme:db/write@1.0.0  not provided  warren provides WASI 0.2 and warren:task 0.1

    bad.wasm can't be used, with bad.toml:
      the manifest bad.toml can't be used: limits.timeout = "2m" is more than the operator allows ("1m"); in warren.toml: [ceiling] timeout = …; the operator does not allow what would need, in warren.toml: [allow] hosts = ["a.org:443"]
      it imports acme:db/query@1.0.0, acme:db/write@1.0.0, which warren does not provide (it provides warren:task 0.1 and WASI 0.2)
    "#);

    let (code, stdout, _) = check(&["check", "bad.wasm", "--output", "json"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &report["usable"]), (1, &json!(false)));
    let (code, _, stderr) = check(&["push", "bad.wasm"]);
    assert_eq!(code, 1);
    for problem in report["problems"].as_array().unwrap() {
        assert!(stderr.contains(problem.as_str().unwrap()), "push does not say {problem}: {stderr}");
    }
    assert!(!folder.path().join("components").exists(), "nothing is stored");
}

#[test]
fn what_is_no_component_can_not_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let check = strict(folder.path());
    let mut cut_off = guest("(unreachable)");
    cut_off.truncate(cut_off.len() / 2);
    let cases: &[(&[u8], &str)] = &[
        (b"hello", "it is no WebAssembly"),
        (b"\0asm\x01\0\0\0", "it is a core module, not a component: compile it for wasm32-wasip2"),
        (&component(""), "it exports no `execute`"),
        (&cut_off, "it does not compile"),
    ];
    for (bytes, told) in cases {
        fs::write(folder.path().join("x.wasm"), bytes).unwrap();
        let (code, stdout, _) = check(&["check", "x.wasm"]);
        assert!(code == 1 && stdout.contains("x.wasm can't be used") && stdout.contains(told), "{told}: {stdout}");
    }
    let (code, _, stderr) = check(&["check", "none.wasm"]);
    assert!(code == 1 && stderr.contains("none.wasm can't be read"), "{stderr}");
}

/// It imports all of WASI 0.2 that the standard library of Rust and a client over HTTP use, and can be executed.
#[test]
fn everything_that_a_real_component_imports_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = strict(folder.path())(&["check", attacker().to_str().unwrap(), "--output", "json"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let imports = report["imports"].as_array().unwrap();
    assert!(imports.len() > 25, "{stdout}");
    assert!(imports.iter().all(|import| import["state"] != "not provided"), "{stdout}");
}

#[test]
fn the_manifest_of_a_new_crate_is_one_with_each_of_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let run = strict(folder.path());
    fs::write(folder.path().join("warren.toml"), "[allow]\nhosts = [\"*:443\"]\nsecrets = [\"env:API_KEY\"]\n")
        .unwrap();
    let (code, _, stderr) = run(&["new", "hello", "--lang", "rust", "--sdk", "."]);
    assert_eq!(code, 0, "{stderr}");
    let text = fs::read_to_string(folder.path().join("hello/component.toml")).unwrap();
    assert!(text.starts_with("# The manifest of hello:"), "{text}");
    let uncommented = |line: &str| match line.strip_prefix("# ") {
        Some(line) if line.contains(" = ") => format!("{line}\n"),
        _ => format!("{line}\n"),
    };
    let lines: String = text.lines().map(uncommented).collect();
    assert!(lines.matches(" = ").count() >= 7, "{lines}");
    for (name, text) in [("as_it_is.toml", &text), ("each_line.toml", &lines)] {
        fs::write(folder.path().join(name), text).unwrap();
        fs::write(folder.path().join("x.wasm"), guest("(unreachable)")).unwrap();
        let (code, stdout, _) = run(&["check", "x.wasm", "--manifest", name]);
        assert_eq!(code, 0, "{name}: {stdout}");
    }
}
