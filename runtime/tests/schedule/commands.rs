//! `warren schedule`, beside `warren dev` over HTTP and on the database: the same words.

use std::{
    path::Path,
    process::{Command, Output},
};

use bytesize::ByteSize;
use serde_json::{Value, json};
use warren::schedule::{Draft, Schedule, is_same_json};

use crate::{
    process::{Process, components, warren},
    stack::Stack,
};

/// Runs `warren schedule`; gives its exit code, stdout and stderr.
fn run(mut base: Command, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = base.arg("schedule").args(args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn add_list_show_remove(base: impl Fn() -> Command) {
    let schedule = |args: &[&str]| run(base(), args);
    let nightly = |rest: &[&str]| {
        schedule(
            &[&["add", "nightly", "--cron", "0 3 29 2 *", "--time-zone", "Europe/Berlin", "--task-name", "echo"], rest]
                .concat(),
        )
    };
    let (code, stdout, stderr) = nightly(&["--payload", r#"{"a": 1}"#]);
    assert!(code == 0 && stdout.starts_with("schedule nightly is kept; its next tick is at 20"), "{stdout}{stderr}");
    assert_eq!(nightly(&["--payload", r#"{"a":1}"#]).0, 0, "the same");
    let (code, stdout, stderr) = nightly(&[]);
    assert!(
        code == 1 && stderr.contains("there is another schedule nightly") && stderr.contains("--replace"),
        "{stdout}{stderr}"
    );
    assert_eq!(nightly(&["--replace"]).0, 0);

    let (code, shown, _) = schedule(&["show", "nightly", "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(code, 0);
    let expected = [("cron", json!("0 3 29 2 *")), ("time_zone", json!("Europe/Berlin")), ("task_name", json!("echo"))];
    assert!(expected.iter().all(|(name, value)| shown[*name] == *value) && shown["last_at"].is_null(), "{shown}");
    assert!(shown.as_object().unwrap().contains_key("payload") && shown["payload"].is_null(), "{shown}");
    assert!(shown["next_at"].as_str().unwrap().ends_with("-02-29T02:00:00Z"), "{shown}");
    let (_, table, _) = schedule(&["show", "nightly"]);
    assert!(table.contains("time_zone   Europe/Berlin"), "{table}");

    assert_eq!(schedule(&["add", "another", "--cron", "0 0 1 1 *", "--task-name", "not_there_yet"]).0, 0);
    let (_, list, _) = schedule(&["list", "--output", "json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let names: Vec<_> = list.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["another", "nightly"]);
    let (_, table, _) = schedule(&["list"]);
    assert!(
        table.starts_with("NAME") && table.contains("Europe/Berlin") && table.contains("-02-29 02:00:00Z"),
        "{table}"
    );

    for (args, told) in [
        (&["--cron", "0 0 30 2 *"][..], r#"the cron line "0 0 30 2 *" never comes: there is no such day"#),
        (
            &["--cron", "soon"],
            "this is no cron line, of 5 fields (minute hour day month weekday) or 6 with the second first: it has 1 fields",
        ),
        (
            &["--cron", "* * * * *", "--time-zone", "Moon/Base"],
            r#"time_zone "Moon/Base" is no zone of the IANA database"#,
        ),
        (&["--cron", "* * * * *", "--payload", "{"], "--payload is no JSON"),
    ] {
        let (code, _, stderr) = schedule(&[&["add", "wrong", "--task-name", "echo"], args].concat());
        assert!(code == 1 && stderr.contains(told), "{args:?}: {code} {stderr}");
    }
    let (code, _, stderr) = schedule(&["add", "../x", "--cron", "* * * * *", "--task-name", "echo"]);
    assert!(code == 1 && stderr.contains("this can't be a schedule's name"), "{stderr}");
    let (code, _, stderr) = schedule(&["add", "x", "--cron", "* * * * *", "--task-name", "a b"]);
    assert!(code == 1 && stderr.contains("task_name: a task's name consists of"), "{stderr}");

    let (code, stdout, _) = schedule(&["remove", "nightly"]);
    assert_eq!((code, stdout.as_str()), (0, "schedule nightly is removed\n"));
    for args in [["remove", "nightly"], ["show", "nightly"], ["remove", "../x"]] {
        let (code, _, stderr) = schedule(&args);
        assert_eq!((code, stderr.trim()), (1, &*format!("error: there is no schedule {}", args[1])));
    }
}

#[test]
fn commands_beside_dev_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = warren();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    dev.arg("dev")
        .arg("--components")
        .arg(components())
        .current_dir(folder.path())
        .env("WARREN_COMPONENTS_CACHE", cache);
    let running = Process::start(dev);
    add_list_show_remove(|| {
        let mut command = warren();
        command.env("WARREN_URL", &running.url).current_dir(folder.path());
        command
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_on_postgres() {
    let stack = Stack::new().await;
    tokio::task::block_in_place(|| add_list_show_remove(|| stack.bare()));
}

#[test]
fn payloads_are_the_same_whose_white_space_alone_differs() {
    for (one, other, same) in [
        (r#"{"a":1,"b":[true]}"#, "{ \"a\" : 1,\n\t\"b\": [ true ] }\r\n", true),
        (r#""a b""#, r#""ab""#, false),
        (r#""\" ""#, r#""\"""#, false),
        (r#"["\\" , " "]"#, r#"["\\"," "]"#, true),
        ("1", "1.0", false),
    ] {
        assert_eq!(is_same_json(one, other), same, "{one} {other}");
    }
}

#[test]
fn a_payload_that_fits_into_no_message_is_refused() {
    let payload = format!("[{}1]", "1,".repeat(500));
    let draft = Draft { name: "x", cron: "* * * * *", time_zone: None, task_name: "echo", payload: &payload };
    assert!(Schedule::new(draft, ByteSize::kib(2)).is_ok());
    let error = Schedule::new(draft, ByteSize::kib(1)).unwrap_err().to_string();
    assert_eq!(error, "payload has 1003 bytes, that of a schedule has at most 896: have the task fetch what is larger");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let error = Schedule::new(Draft { payload: &deep, ..draft }, ByteSize::mib(1)).unwrap_err().to_string();
    assert_eq!(error, "payload nests arrays and objects deeper than 127");
}
