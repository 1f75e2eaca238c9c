//! The service with components in its folder that are made to hurt what compiles them: it says what is wrong with them, by
//! name, and goes on executing the others meanwhile.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/hostile.rs"]
mod hostile;
#[path = "support/process.rs"]
mod process;

use std::{
    fs,
    time::{Duration, Instant},
};

use hostile::{additions, around, component, custom, data, functions};
use process::{Process, components, warren};
use reqwest::Client;
use serde_json::{Value, json};

#[tokio::test]
async fn others_are_executed_while_hostile_components_are_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(format!("components/{name}.wasm"));
    fs::create_dir(folder.path().join("components")).unwrap();
    fs::copy(components().join("echo.wasm"), file("echo")).unwrap();
    // Compiled without these limits before, which a slow machine may need for a good component, too.
    let mut first = warren();
    first.current_dir(folder.path()).env("WARREN_COMPONENTS_CACHE", folder.path().join("cache"));
    let ran = first.args(["task", "run", "components/echo.wasm", "--payload", "1"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut command = warren();
    command.arg("dev").current_dir(folder.path()).env("WARREN_COMPONENTS_CACHE", folder.path().join("cache"));
    command.envs([
        ("WARREN_COMPONENTS_COMPILE_TIME", "2s"),
        ("WARREN_COMPONENTS_COMPILE_MEMORY", "256MiB"),
        ("WARREN_RETRY_RETRIES", "0"),
        ("WARREN_LOG_FILTER", "info"),
    ]);
    let warren = Process::start(command);
    warren::tls::install_ring();
    let http = Client::builder().no_proxy().build().unwrap();
    let ask = async |name: &str| -> Value {
        let request = http.post(format!("{}/v1/tasks?wait=300s", warren.url));
        let answer = request.json(&json!({ "task_name": name, "payload": 1 })).send().await.unwrap();
        answer.json().await.unwrap()
    };
    assert_eq!(ask("echo").await["status"], "COMPLETED");

    fs::write(file("slow"), around(functions(100_000, &additions(40)))).unwrap();
    fs::write(file("huge"), around(functions(1, &additions(1_000_000)))).unwrap();
    fs::write(file("data"), around(data(512, 30 << 20))).unwrap();
    fs::write(file("custom"), component(&vec![custom(1); 300_000])).unwrap();
    fs::write(file("many"), around(functions(100_000, &[]))).unwrap();
    fs::write(file("core"), functions(1, &[])).unwrap();
    fs::File::create(file("large")).unwrap().set_len(500 << 20).unwrap();

    // Which of the two comes first depends on the machine.
    let time = "compiling it takes more than 2s of processor time (setting components.compile_time)";
    let memory = "compiling it takes more than 256.0 MiB of memory (setting components.compile_memory)";
    let hostile = async {
        let cases: [(&str, &[&str]); 5] = [
            ("slow", &[time, memory]),
            ("huge", &[memory, time]),
            ("core", &["it is a core module"]),
            ("large", &["(setting components.max_size)"]),
            ("custom", &["exports no `execute`", time, memory]),
        ];
        for (name, told) in cases {
            let error = ask(name).await["error"].as_str().unwrap().to_owned();
            let is_told = told.iter().any(|told| error.contains(*told));
            assert!(error.starts_with("broken_component: ") && is_told, "{name}: {error}");
        }
        for name in ["data", "many"] {
            assert!(ask(name).await["error"].as_str().unwrap().starts_with("broken_component: "), "{name}");
        }
    };
    let mut hostile = std::pin::pin!(hostile);
    let (mut executed, mut slowest) = (0, Duration::ZERO);
    loop {
        let started = Instant::now();
        // Both go on where they are: neither is dropped.
        let echoed = std::pin::pin!(ask("echo"));
        match futures_util::future::select(hostile.as_mut(), echoed).await {
            futures_util::future::Either::Left(((), _)) => break,
            futures_util::future::Either::Right((task, _)) => assert_eq!(task["status"], "COMPLETED", "{task}"),
        }
        executed += 1;
        slowest = slowest.max(started.elapsed());
    }
    eprintln!("{executed} tasks were executed meanwhile, the slowest in {slowest:?}");
    assert!(executed > 10 && slowest < Duration::from_secs(60), "{executed} tasks, the slowest took {slowest:?}");
    for name in ["slow", "huge", "data", "custom", "many", "core", "large"] {
        warren.wait_for_line(&format!("component {name} can't be used: "));
    }
}
