//! The whole service: a task of a component whose index was changed in the store after a good push.

use reqwest::Client;
use serde_json::{Value, json};

use crate::{Site, answering, process::Process, unguarded, upload};

async fn task(warren: &Process) -> Value {
    warren::tls::install_ring();
    let http = Client::builder().no_proxy().build().unwrap();
    let request = http.post(format!("{}/v1/tasks?wait=120s", warren.url));
    request.json(&json!({ "task_name": "work", "payload": {} })).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn tasks_go_on_with_what_was_signed_and_after_a_restart_with_nothing() {
    let site = Site::new();
    site.write("good.wasm", answering("good"));
    site.succeed(&["component", "sign", "good.wasm", "--name", "work", "--key", "key.pem"]);
    site.succeed(&["component", "push", "good.wasm", "--name", "work"]);
    let start = || {
        let mut command = site.command(&["dev"]);
        command.env("WARREN_RETRY_RETRIES", "0");
        Process::start(command)
    };
    let warren = start();
    warren.wait_for_line("only components that are signed by one of 1 keys are executed");
    assert_eq!(task(&warren).await["result"], "good");
    let store = unguarded(&site.path().join("components"));
    store.push(&"work".parse().unwrap(), upload(answering("evil"), None, None)).await.unwrap();
    let told = warren.wait_for_line("version 2 of component work is refused");
    assert!(told.contains("the one in use stays in use: it is not signed"), "{told}");
    assert_eq!(task(&warren).await["result"], "good");
    drop(warren);

    let warren = start();
    let failed = task(&warren).await;
    assert_eq!(failed["status"], "FAILED");
    assert!(failed["error"].as_str().unwrap().contains("it is not signed, and has to be"), "{failed}");
    drop(warren);
    site.succeed(&["component", "use", "work", "1"]);
    assert_eq!(task(&start()).await["result"], "good");
}
