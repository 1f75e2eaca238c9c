//! `warren component`: what is checked when a component is pushed, and what is shown of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/process.rs"]
mod process;

use std::{
    path::Path,
    process::{Command, Output},
};

use process::{components, warren};
use serde_json::{Value, json};
use warren::manifest::Limits;

/// Runs it; gives its exit code, stdout and stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_component_is_checked_when_it_is_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let base = || {
        let mut command = warren();
        command.current_dir(folder.path());
        command
    };
    let (code, stdout, stderr) = run(base().args(["component", "push"]).arg(components().join("echo.wasm")));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("echo is in components as version 1 ("), "{stdout}");
    let (_, stdout, _) = run(base().args(["component", "list", "--output", "json"]));
    let list: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["name"]), (1, &json!("echo")));

    std::fs::write(folder.path().join("text.wasm"), "hello").unwrap();
    let (code, _, stderr) = run(base().args(["component", "push", "text.wasm"]));
    assert_eq!(code, 1);
    assert!(
        stderr.contains("text.wasm can't be a component of warren") && stderr.contains("no WebAssembly"),
        "{stderr}"
    );
    assert!(!folder.path().join("components/text.wasm").exists());
    let (code, _, stderr) = run(base().args(["component", "push", "nothing.wasm"]));
    assert_eq!(code, 1);
    assert!(stderr.contains("nothing.wasm can't be read"), "{stderr}");
}

/// `warren` in a folder whose operator allows little.
fn strict(folder: &Path) -> impl Fn() -> Command {
    let settings = "[ceiling]\ntimeout = \"1m\"\n[allow]\nhosts = [\"*.example.com:443\"]\nsecrets = [\"env:KEY\"]\n";
    std::fs::write(folder.join("warren.toml"), settings).unwrap();
    let folder = folder.to_owned();
    move || {
        let mut command = warren();
        command.current_dir(&folder).env("WARREN_URL", "http://127.0.0.1:1").env("KEY", "pa55word");
        command
    }
}

const MANIFEST: &str = r#"
[limits]
timeout = "45s"
[grants]
secrets = { API_KEY = "env:KEY" }
hosts = ["api.example.com:443"]
"#;

#[test]
fn a_manifest_is_checked_and_stored_with_its_component() {
    let folder = tempfile::tempdir().unwrap();
    let (base, file) = (strict(folder.path()), |name: &str| folder.path().join(name));
    std::fs::copy(components().join("echo.wasm"), file("echo.wasm")).unwrap();

    std::fs::write(file("greedy.toml"), "[limits]\ntimeout = \"2m\"\n[grants]\nhosts = [\"a.org:443\"]\n").unwrap();
    let (code, _, stderr) = run(base().args(["component", "push", "echo.wasm", "--manifest", "greedy.toml"]));
    assert_eq!(code, 1);
    assert!(stderr.contains("the manifest greedy.toml can't be used"), "{stderr}");
    assert!(stderr.contains("[ceiling] timeout") && stderr.contains("[allow] hosts = [\"a.org:443\"]"), "{stderr}");
    assert!(!file("components").exists(), "nothing is stored");
    let (code, _, stderr) = run(base().args(["component", "push", "echo.wasm", "--manifest", "none.toml"]));
    assert!(code == 1 && stderr.contains("the manifest none.toml can't be read"), "{stderr}");

    let (code, stdout, stderr) = run(base().args(["component", "push", "echo.wasm"]));
    assert!(code == 0 && stdout.trim().ends_with(", without a manifest)"), "{stdout}{stderr}");
    std::fs::write(file("echo.toml"), MANIFEST).unwrap();
    let (code, stdout, stderr) = run(base().args(["component", "push", "echo.wasm"]));
    assert!(code == 0 && stdout.trim().ends_with(", with the manifest echo.toml)"), "{stdout}{stderr}");
    let (_, shown, _) = run(base().args(["component", "show", "echo", "--output", "json"]));
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["manifest"], MANIFEST);
    std::fs::remove_file(file("echo.toml")).unwrap();
    let (_, stdout, _) = run(base().args(["component", "push", "echo.wasm"]));
    assert!(stdout.trim().ends_with(", with the manifest that it had)"), "{stdout}");
}

#[test]
fn a_component_is_shown_with_what_it_may_use_and_do() {
    let folder = tempfile::tempdir().unwrap();
    let base = strict(folder.path());
    std::fs::write(folder.path().join("echo.toml"), MANIFEST).unwrap();
    let (code, _, stderr) =
        run(base().args(["component", "push", "--manifest", "echo.toml"]).arg(components().join("echo.wasm")));
    assert_eq!(code, 0, "{stderr}");
    let (code, stdout, stderr) = run(base().args(["component", "show", "echo", "--output", "json"]));
    assert_eq!(code, 0, "{stderr}");
    let shown: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&shown["name"], &shown["manifest"]), (&json!("echo"), &json!(MANIFEST)));
    assert_eq!(shown["limits"]["timeout"], json!({ "value": "45s", "from": "manifest" }));
    assert_eq!(shown["limits"]["cpu"], json!({ "value": "10s", "from": "default" }));
    let grants = json!({ "secrets": { "API_KEY": "env:KEY" }, "hosts": ["api.example.com:443"] });
    assert_eq!(shown["grants"], grants);
    assert!(shown["usage_error"].as_str().unwrap().contains("no warren answers"), "{shown}");
    let (_, table, _) = run(base().args(["component", "show", "echo"]));
    assert!(table.contains("env:KEY") && !table.contains("pa55word"), "{table}");
    assert!(table.lines().any(|line| line.split_whitespace().eq(["timeout", "45s", "manifest"])), "{table}");

    std::fs::copy(components().join("echo.wasm"), folder.path().join("components/loose.wasm")).unwrap();
    std::fs::write(folder.path().join("components/loose.toml"), "[limit]\n").unwrap();
    let (_, table, _) = run(base().args(["component", "show", "loose"]));
    assert!(table.contains("can't be used: there is no limit"), "{table}");
    let (code, _, stderr) = run(base().args(["component", "show", "nobody"]));
    assert_eq!((code, stderr.trim()), (1, "error: there is no component nobody in components"));
}

/// The page about components, and the names that the schema of a manifest has in a section.
#[test]
fn the_page_about_components_names_each_limit_and_each_grant() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/components.md")).unwrap();
    let (code, stdout, _) = run(warren().args(["component", "schema"]));
    let schema: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &schema["additionalProperties"]), (0, &json!(false)));
    for section in ["Limits", "Grants", "Retry"] {
        for name in schema["$defs"][section]["properties"].as_object().unwrap().keys() {
            assert!(page.contains(&format!("\n| `{name}` | ")), "docs/components.md has no row for {name}");
        }
    }
    let values = |limits: Limits| serde_json::to_value(limits).unwrap();
    let (defaults, ceiling) = (values(Limits::default()), values(Limits::default_ceiling()));
    for (name, default) in defaults.as_object().unwrap() {
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let row = format!("\n| `{name}` | {} | {} | ", plain(default), plain(&ceiling[name]));
        assert!(page.contains(&row), "docs/components.md should have the row {row}…");
    }
}
