//! What is around it, and what it leaves to the next one.

use serde_json::json;
use warren::{manifest::Allow, outcome::ErrorClass};

use super::attacker::{Prison, execute};

#[tokio::test]
async fn nothing_is_around_it() {
    let got = Prison::strict().attack("", json!({ "attack": "environment" })).await.got();
    let nothing = json!({ "variables": {}, "arguments": [], "folders": [], "working_directory": null, "stdin": "" });
    assert_eq!(got, nothing);
}

#[tokio::test]
async fn what_is_granted_is_around_it_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "s3cr3t\n").unwrap();
    let secret = format!("file:{}", key.display());
    let allow = Allow { secrets: vec![secret.parse().unwrap()], ..Allow::default() };
    let manifest = format!("[grants]\nenv = {{ GREETING = 'hello' }}\nsecrets = {{ API_KEY = '{secret}' }}\n");
    let attacked = Prison::allowing(allow).attack(&manifest, json!({ "attack": "environment" })).await;
    assert_eq!(attacked.got()["variables"], json!({ "GREETING": "hello", "API_KEY": "s3cr3t" }));
    assert!(!format!("{:?}", attacked.receipt()).contains("s3cr3t"));
}

#[tokio::test]
async fn what_one_execution_leaves_the_next_does_not_find() {
    let prison = Prison::strict();
    let program = prison.program("[grants]\nscratch = true").await;
    for _ in 0..5 {
        let remember = execute(&prison.sandbox, program.clone(), json!({ "attack": "remember" })).await;
        assert_eq!(remember.got(), 1);
        let create = json!({ "attack": "create", "folder": "/scratch", "files": 3 });
        assert_eq!(execute(&prison.sandbox, program.clone(), create).await.got(), 3);
    }
}

#[tokio::test]
async fn chance_is_another_one_each_time_unless_the_manifest_fixes_it() {
    let prison = Prison::strict();
    let chance = json!({ "attack": "chance" });
    let free = prison.program("").await;
    let (first, second) = (
        execute(&prison.sandbox, free.clone(), chance.clone()).await.got(),
        execute(&prison.sandbox, free, chance.clone()).await.got(),
    );
    for what in ["secure", "insecure", "hash"] {
        assert_ne!(first[what], second[what], "{what}");
    }
    assert!(first["time_ms"].as_u64().unwrap() > 1_700_000_000_000);

    let fixed = prison.program("[grants]\nrandom = 42\nclock = '2026-01-01T00:00:00Z'").await;
    let first = execute(&prison.sandbox, fixed.clone(), chance.clone()).await.got();
    assert_eq!(first, execute(&prison.sandbox, fixed, chance).await.got());
    assert_eq!((first["time_ms"].as_u64(), first["monotonic_ns"].as_u64()), (Some(1_767_225_600_000), Some(0)));
}

#[tokio::test]
async fn its_words_are_kept_with_the_receipt() {
    let prison = Prison::strict();
    let attacked = prison.attack("", json!({ "attack": "say", "out": "to stdout", "err": "to stderr" })).await;
    assert_eq!(attacked.receipt().log, "to stdout\nto stderr\n");
    assert_eq!(attacked.receipt().log_bytes, 20);
    prison.attack("", json!({ "attack": "panic" })).await.failed_as(ErrorClass::Trap, &["unreachable", "told to"]);
    prison.attack("", json!({ "attack": "exit" })).await.failed_as(ErrorClass::Trap, &["exit"]);
}
