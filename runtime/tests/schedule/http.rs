//! `/v1/schedules`, and that `warren dev` executes what its schedules ask for.

use std::{path::Path, time::Duration};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::process::{PATIENCE, Process, components, warren};

struct Dev {
    folder: TempDir,
    http: Client,
}

impl Dev {
    fn new() -> Self {
        warren::tls::install_ring();
        Self { folder: tempfile::tempdir().unwrap(), http: Client::builder().no_proxy().build().unwrap() }
    }

    fn start(&self) -> Process {
        let mut command = warren();
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        command.arg("dev").arg("--components").arg(components()).current_dir(self.folder.path());
        Process::start({
            command.env("WARREN_COMPONENTS_CACHE", cache);
            command
        })
    }

    async fn ask(&self, warren: &Process, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", warren.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
    }

    async fn get(&self, warren: &Process, path: &str) -> Value {
        self.ask(warren, Method::GET, path, None).await.1
    }
}

#[tokio::test]
async fn a_schedule_is_added_replaced_read_and_removed() {
    let dev = Dev::new();
    let warren = dev.start();
    let one = "/v1/schedules/nightly";
    let body =
        json!({ "cron": "0 3 29 2 *", "time_zone": "Europe/Berlin", "task_name": "echo", "payload": { "a": 1 } });
    let (status, added) = dev.ask(&warren, Method::POST, one, Some(&body)).await;
    assert_eq!(
        (status, &added["name"], &added["payload"]),
        (StatusCode::CREATED, &json!("nightly"), &json!({ "a": 1 }))
    );
    assert_eq!(dev.ask(&warren, Method::POST, one, Some(&body)).await, (StatusCode::OK, added.clone()));
    let other = json!({ "cron": "0 4 29 2 *", "task_name": "echo" });
    let (status, problem) = dev.ask(&warren, Method::POST, one, Some(&other)).await;
    assert!(status == StatusCode::CONFLICT && problem["detail"].as_str().unwrap().contains("PUT"), "{problem}");
    assert_eq!(dev.ask(&warren, Method::GET, one, None).await, (StatusCode::OK, added));
    let (status, replaced) = dev.ask(&warren, Method::PUT, one, Some(&other)).await;
    assert_eq!((status, &replaced["time_zone"], &replaced["payload"]), (StatusCode::OK, &json!("UTC"), &json!(null)));
    assert_eq!(dev.ask(&warren, Method::PUT, "/v1/schedules/b", Some(&other)).await.0, StatusCode::CREATED);

    let page = dev.get(&warren, "/v1/schedules?limit=1").await;
    assert_eq!((&page["items"][0]["name"], &page["next"]), (&json!("b"), &json!("b")));
    assert!(page["items"][0].get("payload").is_none(), "{page}");
    let page = dev.get(&warren, "/v1/schedules?after=b").await;
    assert_eq!((&page["items"][0]["name"], &page["next"]), (&json!("nightly"), &json!(null)));

    assert_eq!(dev.ask(&warren, Method::DELETE, one, None).await, (StatusCode::NO_CONTENT, Value::Null));
    for method in [Method::DELETE, Method::GET] {
        assert_eq!(dev.ask(&warren, method, one, None).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn what_can_not_be_a_schedule_is_refused_with_the_reason() {
    let dev = Dev::new();
    let warren = dev.start();
    for (name, body, expected, told) in [
        ("x", json!({ "cron": "0 0 30 2 *", "task_name": "echo" }), 422, "never comes"),
        ("x", json!({ "cron": "* * * * *", "task_name": "echo", "time_zone": "Berlin" }), 422, "IANA"),
        ("x", json!({ "cron": "* * * * *", "task_name": "" }), 422, "task_name: a task's name must not be empty"),
        ("..x", json!({ "cron": "* * * * *", "task_name": "echo" }), 422, "can't be a schedule's name"),
        ("%00", json!({ "cron": "* * * * *", "task_name": "echo" }), 422, "can't be a schedule's name"),
        ("%FF", json!({ "cron": "* * * * *", "task_name": "echo" }), 400, "UTF-8"),
        ("x", json!({ "cron": "* * * * *" }), 422, "task_name"),
        ("x", json!({ "cron": "* * * * *", "task_name": "echo", "timezone": "UTC" }), 422, "timezone"),
    ] {
        for method in [Method::POST, Method::PUT] {
            let (status, problem) = dev.ask(&warren, method, &format!("/v1/schedules/{name}"), Some(&body)).await;
            assert_eq!(status.as_u16(), expected, "{name} {body}: {problem}");
            assert!(problem["detail"].as_str().unwrap().contains(told), "{name} {body}: {problem}");
        }
    }
    assert_eq!(dev.ask(&warren, Method::GET, "/v1/schedules?limit=0", None).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(dev.get(&warren, "/v1/schedules").await["items"], json!([]));
}

#[tokio::test]
async fn ticks_of_a_schedule_are_executed_also_after_a_crash() {
    let dev = Dev::new();
    let body = json!({ "cron": "* * * * * *", "task_name": "echo", "payload": { "n": 1 } });
    let completed = async |warren: &Process, count: usize| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = dev.get(warren, "/v1/tasks?status=COMPLETED&producer_app=warren.schedule&limit=1000").await;
            let tasks = page["items"].as_array().unwrap().clone();
            if tasks.len() >= count {
                return tasks;
            }
            assert!(Instant::now() < deadline, "{page}");
            // Another process writes them: there is no event to wait for.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let first = dev.start();
    dev.ask(&first, Method::POST, "/v1/schedules/pulse", Some(&body)).await;
    let before = completed(&first, 2).await.len();
    first.signal("KILL");
    drop(first);
    let second = dev.start();
    let tasks = completed(&second, before + 3).await;
    let mut ids: Vec<_> = tasks.iter().map(|task| task["message_id"].as_str().unwrap()).collect();
    assert!(ids.iter().all(|id| id.starts_with("schedule.pulse.20") && id.ends_with('Z')), "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), tasks.len(), "{ids:?}");
    assert!(tasks.iter().all(|task| task["attempt"] == 0 && task["correlation_id"] == task["message_id"]), "{tasks:?}");
}
