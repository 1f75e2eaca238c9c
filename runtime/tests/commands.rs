//! The command line, as a person or a script uses it: beside `warren dev` over HTTP, and on RabbitMQ and Postgres.

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
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use process::{Process, components, warren};
use serde_json::{Value, json};
use stack::Stack;

/// Runs it; gives its exit code, stdout and stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn dev(folder: &Path) -> Process {
    let mut command = warren();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    command.arg("dev").arg("--components").arg(components()).current_dir(folder).env("WARREN_COMPONENTS_CACHE", cache);
    Process::start(command)
}

/// What `task publish --wait` and the reading commands do, the same over HTTP and on the servers.
fn publish_list_show(base: impl Fn() -> Command) {
    let publish = |args: &[&str]| run(base().args(["task", "publish"]).args(args).args(["--wait", "--output", "json"]));
    let (code, stdout, stderr) = publish(&["echo", "--payload", r#"{"a":1}"#, "--message-id", "m-1"]);
    assert_eq!(code, 0, "{stderr}");
    let task: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&task["status"], &task["result"]), (&json!("COMPLETED"), &json!({ "a": 1 })));

    let (code, stdout, _) = publish(&["process_order", "--payload", r#"{"lines":[]}"#]);
    let failed: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &failed["status"]), (1, &json!("FAILED")));
    assert!(failed["error"].as_str().unwrap().starts_with("invalid: "), "{failed}");
    assert_eq!(publish(&["../x"]).0, 2);
    assert_eq!(publish(&["echo", "--payload", "no json"]).0, 2);
    assert_eq!(publish(&["echo", "--payload", "@/no/such/file"]).0, 2);

    let (code, stdout, stderr) =
        run(base().args(["task", "show", task["id_task"].as_str().unwrap(), "--output", "json"]));
    assert_eq!(code, 0, "{stderr}");
    let shown: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&shown["message_id"], &shown["result"]), (&json!("m-1"), &json!({ "a": 1 })));
    let receipt = &shown["attempts"][0]["receipt"];
    assert_eq!((&receipt["payload_bytes"], &receipt["result_bytes"]), (&json!(7), &json!(7)));
    assert!(receipt["cpu_us"].is_u64() && receipt["wall_us"].is_u64() && receipt["http"].is_null(), "{receipt}");
    assert!(receipt["memory_bytes"].as_u64() >= Some(65_536), "{receipt}");
    let (_, table, _) = run(base().args(["task", "show", task["id_task"].as_str().unwrap()]));
    assert!(table.contains(" of processor time in ") && table.contains("payload 7 B, result 7 B, log 0 B"), "{table}");
    let (code, stdout, stderr) = run(base().args(["component", "show", "process_order", "--output", "json"]));
    assert_eq!(code, 0, "{stderr}");
    let usage = &serde_json::from_str::<Value>(&stdout).unwrap()["usage"];
    assert_eq!((&usage["tasks"], &usage["failed"]), (&json!(1), &json!({ "invalid": 1 })));
    assert!(usage["cpu_us"]["p99"].is_u64(), "{usage}");
    let (_, table, _) = run(base().args(["component", "show", "process_order"]));
    assert!(table.contains("its last 1 tasks: 1 attempts, 0 of them completed"), "{table}");
    assert!(table.contains("nothing is granted") && table.contains("FAILED WITH"), "{table}");
    let nobody = "00000000-0000-0000-0000-000000000000";
    let (code, _, stderr) = run(base().args(["task", "show", nobody]));
    assert_eq!((code, stderr.trim()), (1, format!("error: no task has the id {nobody}").as_str()));

    let (_, stdout, _) = run(base().args(["task", "list", "--status", "failed", "--output", "json"]));
    let list: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["task_name"]), (1, &json!("process_order")));
    let (_, table, _) = run(base().args(["task", "list"]));
    assert!(table.starts_with("ID") && table.contains("COMPLETED") && !table.contains('\u{1b}'), "{table}");
}

#[test]
fn commands_beside_dev_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let running = dev(folder.path());
    let base = || {
        let mut command = warren();
        command.env("WARREN_URL", &running.url).current_dir(folder.path()).env("WARREN_COMPONENTS_URL", components());
        command
    };
    publish_list_show(base);
    let (code, stdout, stderr) = run(base().args(["event", "publish", "routing.event.create.user", "--payload", "{}"]));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("published routing.event.create.user as "), "{stdout}");
    assert_eq!(run(base().args(["doctor", "--ready"])).0, 0);
    drop(running);
    let (code, _, stderr) = run(warren().args(["task", "list"]).env("WARREN_URL", "http://127.0.0.1:1"));
    assert_eq!(code, 1);
    assert!(stderr.contains("no warren answers at http://127.0.0.1:1") && stderr.contains("warren dev"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_on_rabbitmq_and_postgres() {
    let stack = Stack::new().await;
    let _warren = stack.start(&[]);
    tokio::task::block_in_place(|| {
        publish_list_show(|| stack.bare());
        let (code, stdout, stderr) = run(stack.bare().args(["doctor", "--output", "json"]));
        assert_eq!(code, 0, "{stdout}{stderr}");
        let (code, stdout, _) = run(stack.bare().args(["migrate", "status", "--output", "json"]));
        let migrations: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(code, 0);
        assert!(migrations.as_array().unwrap().iter().all(|migration| migration["applied_at"].is_string()));
        let (code, ..) = run(stack.bare().args(["event", "publish", "routing.event.read.user", "--message-id", "e-1"]));
        assert_eq!(code, 0);
    });
}

#[test]
fn settings_are_shown_with_their_origin_and_without_passwords() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("warren.toml"), "[retry]\nretries = 5\n").unwrap();
    let mut command = warren();
    command.current_dir(folder.path()).env("RABBITMQ_URL", "amqp://u:pa55word@mq").args(["config", "--output", "json"]);
    let (code, stdout, _) = run(&mut command);
    assert_eq!(code, 0);
    assert!(!stdout.contains("pa55word"));
    let settings: Value = serde_json::from_str(&stdout).unwrap();
    let from = |name: &str| {
        let found = settings.as_array().unwrap().iter().find(|setting| setting["setting"] == name).unwrap();
        (found["value"].as_str().unwrap().to_owned(), found["from"].as_str().unwrap().to_owned())
    };
    assert_eq!(from("retry.retries"), ("5".into(), "warren.toml".into()));
    assert_eq!(from("broker.url"), ("amqp://u:***@mq".into(), "$RABBITMQ_URL".into()));
    assert_eq!(from("retry.delay"), ("3s".into(), "default".into()));
}

#[test]
fn a_new_component_compiles_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tasks-wasm/sdk");
    let (code, stdout, stderr) =
        run(warren().current_dir(folder.path()).args(["component", "new", "hello", "--sdk"]).arg(sdk));
    assert_eq!(code, 0, "{stderr}");
    for next in ["component build --path hello", "task run hello/target/wasm32-wasip2/release/hello.wasm"] {
        assert!(stdout.contains(next), "{stdout}");
    }
    let crate_folder = folder.path().join("hello");
    // What is compiled is shared by all runs of the test, and not optimised: that is not what it looks at.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-component");
    // The lock file of the project knows every version that is needed, and what is needed is downloaded.
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock"), crate_folder.join("Cargo.lock"))
        .unwrap();
    let base = || {
        let mut command = warren();
        command.current_dir(folder.path()).env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", &target);
        command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
        command
    };
    let build = || run(base().args(["component", "build", "--path", "hello"]));
    let wasm = target.join("wasm32-wasip2/release/hello.wasm");
    let beside = wasm.with_extension("toml");
    let (code, stdout, stderr) = build();
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("Finished `release` profile"), "cargo's own output is shown: {stderr}");
    assert_eq!(stdout.lines().next().map(Path::new), Some(wasm.canonicalize().unwrap().as_path()), "{stdout}");
    assert!(
        stdout.contains("imports   warren:task@0.1.0: types") && stdout.contains("from component.toml"),
        "{stdout}"
    );
    let of_crate = crate_folder.join("component.toml");
    assert_eq!(std::fs::read(&beside).unwrap(), std::fs::read(&of_crate).unwrap());
    std::fs::remove_file(&of_crate).unwrap();
    let (code, stdout, stderr) = build();
    assert!(code == 0 && stderr.contains("hello.toml is removed") && !beside.exists(), "{stdout}{stderr}");
    let (code, stdout, stderr) = run(base().args(["component", "check"]).arg(&wasm));
    assert!(code == 0 && stdout.contains("can be used, without a manifest"), "{stdout}{stderr}");
    let (code, stdout, stderr) = run(base().args(["task", "run"]).arg(&wasm).args(["--payload", r#"{"who":"world"}"#]));
    assert_eq!((code, stdout.as_str()), (0, "{\"greeting\":\"Hello, world!\"}\n"), "{stderr}");
    std::fs::write(crate_folder.join("src/lib.rs"), "nonsense").unwrap();
    let (code, _, stderr) = build();
    assert!(code == 1 && stderr.contains("cargo could not build") && stderr.contains("nonsense"), "{stderr}");

    let (code, _, stderr) = run(warren().current_dir(folder.path()).args(["component", "push"]).arg(&wasm));
    assert_eq!(code, 0, "{stderr}");
    let mut command = warren();
    command.arg("dev").current_dir(folder.path());
    let running = Process::start(command);
    let mut publish = warren();
    publish.env("WARREN_URL", &running.url).args(["task", "publish", "hello", "--payload", "-", "--wait"]);
    let mut child = publish.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"who": "world"}"#).unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && stdout.contains("Hello, world!"), "{stdout}");

    let (code, _, stderr) = run(warren().current_dir(folder.path()).args(["component", "new", "hello"]));
    assert_eq!((code, stderr.trim()), (1, "error: hello is there already"));
}

#[test]
fn completions_are_there_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, stdout, _) = run(warren().args(["completions", shell]));
        assert!(code == 0 && stdout.contains("publish"), "{shell}");
    }
}

#[test]
fn every_help_text_has_examples() {
    let commands: &[&[&str]] = &[
        &["run"],
        &["dev"],
        &["task", "publish"],
        &["task", "run"],
        &["task", "list"],
        &["task", "show"],
        &["task", "logs"],
        &["schedule", "add"],
        &["schedule", "list"],
        &["schedule", "show"],
        &["schedule", "remove"],
        &["event", "publish"],
        &["event", "list"],
        &["component", "new"],
        &["component", "build"],
        &["component", "check"],
        &["component", "sign"],
        &["component", "push"],
        &["component", "list"],
        &["component", "show"],
        &["component", "schema"],
        &["token", "new"],
        &["key", "new"],
        &["prune"],
        &["migrate", "up"],
        &["migrate", "down"],
        &["migrate", "status"],
        &["topology", "show"],
        &["topology", "check"],
        &["topology", "apply"],
        &["config"],
        &["doctor"],
        &["completions"],
    ];
    for command in commands {
        let (code, stdout, _) = run(warren().args(*command).arg("--help"));
        assert!(code == 0 && stdout.contains("Examples:"), "{command:?}: {stdout}");
    }
}
