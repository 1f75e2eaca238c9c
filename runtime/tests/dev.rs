//! `warren dev`: everything in one process that needs nothing, and its HTTP interface.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/guest.rs"]
mod guest;
#[path = "support/process.rs"]
mod process;

use std::{fs, path::PathBuf};

use guest::guest;
use process::{Process, components, warren};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder for components and data, and what runs on it.
struct Dev {
    folder: TempDir,
    http: Client,
}

impl Dev {
    fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("components")).unwrap();
        for name in names {
            let file = format!("{name}.wasm");
            fs::copy(components().join(&file), folder.path().join("components").join(&file)).unwrap();
        }
        warren::tls::install_ring();
        Self { folder, http: Client::builder().no_proxy().build().unwrap() }
    }

    fn add(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(format!("components/{name}.wasm")), bytes).unwrap();
    }

    fn start(&self) -> Process {
        let mut command = warren();
        let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        command.arg("dev").current_dir(self.folder.path()).env("WARREN_COMPONENTS_CACHE", cache);
        command.env("WARREN_RETRY_DELAY", "50ms").env("WARREN_RETRY_RETRIES", "1");
        Process::start(command)
    }

    async fn submit(&self, warren: &Process, body: &Value) -> (StatusCode, Value) {
        let response = self.http.post(format!("{}/v1/tasks?wait=120s", warren.url)).json(body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// Whether the task at this path, which is over already, is tried again and completes.
    async fn completes(&self, warren: &Process, path: &str) -> bool {
        let deadline = std::time::Instant::now() + process::PATIENCE;
        while std::time::Instant::now() < deadline {
            if self.get(warren, path).await.1["status"] == "COMPLETED" {
                return true;
            }
        }
        false
    }

    async fn get(&self, warren: &Process, path: &str) -> (StatusCode, Value) {
        let response = self.http.get(format!("{}{path}", warren.url)).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }
}

#[tokio::test]
async fn a_submitted_task_completes_and_its_row_can_be_read() {
    let dev = Dev::new(&["echo", "process_order"]);
    let warren = dev.start();
    let (status, task) = dev.submit(&warren, &json!({ "task_name": "echo", "payload": { "a": 1 } })).await;
    assert_eq!((status, &task["status"], &task["result"]), (StatusCode::OK, &json!("COMPLETED"), &json!({ "a": 1 })));

    let id = task["id_task"].as_str().unwrap();
    let (status, mut row) = dev.get(&warren, &format!("/v1/tasks/{id}")).await;
    let attempts = row.as_object_mut().unwrap().remove("attempts").unwrap();
    let next = row.as_object_mut().unwrap().remove("next").unwrap();
    assert_eq!(next, json!({ "what": "nothing: it is over", "at": null }));
    assert_eq!((status, &row), (StatusCode::OK, &task));
    assert_eq!((attempts.as_array().unwrap().len(), &attempts[0]["outcome"]), (1, &json!("COMPLETED")));

    let (_, order) = dev.submit(&warren, &json!({ "task_name": "process_order", "payload": { "lines": [] } })).await;
    assert_eq!(order["status"], "FAILED");
    let (_, page) = dev.get(&warren, "/v1/tasks?limit=1").await;
    assert_eq!(page["items"][0]["id_task"], order["id_task"]);
    let (_, page) = dev.get(&warren, &format!("/v1/tasks?limit=1&after={}", page["next"].as_str().unwrap())).await;
    assert_eq!(page["items"][0]["id_task"], id);
    let (_, failed) = dev.get(&warren, "/v1/tasks?status=FAILED").await;
    assert_eq!(failed["items"].as_array().unwrap().len(), 1);
    for (query, count) in [("class=invalid&since=1h", 1), ("class=timeout", 0), ("until=1h", 0), ("since=1h", 2)] {
        let (status, page) = dev.get(&warren, &format!("/v1/tasks?{query}")).await;
        assert_eq!((status, page["items"].as_array().unwrap().len()), (StatusCode::OK, count), "{query}");
    }
}

#[tokio::test]
async fn an_accepted_task_is_known_at_once() {
    let dev = Dev::new(&[]);
    dev.add("slow", &guest("(loop (br 0)) (unreachable)"));
    let warren = dev.start();
    let body = json!({ "task_name": "slow", "payload": {}, "message_id": "m-1", "producer_app": "p" });
    let response = dev.http.post(format!("{}/v1/tasks", warren.url)).json(&body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let (status, row) = dev.get(&warren, &location).await;
    assert_eq!((status, row["message_id"].as_str()), (StatusCode::OK, Some("m-1")));
    // The same id is the same task.
    let again = dev.http.post(format!("{}/v1/tasks", warren.url)).json(&body).send().await.unwrap();
    assert_eq!(again.headers()["location"].to_str().unwrap(), location);
    let (_, page) = dev.get(&warren, "/v1/tasks").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_accepted_is_taken_up_again_after_a_crash() {
    let dev = Dev::new(&[]);
    dev.add("work", &guest("(loop (br 0)) (unreachable)"));
    let first = dev.start();
    let mut locations = Vec::new();
    for n in 0..10 {
        let body = json!({ "task_name": "work", "payload": n });
        let response = dev.http.post(format!("{}/v1/tasks", first.url)).json(&body).send().await.unwrap();
        locations.push(response.headers()["location"].to_str().unwrap().to_owned());
    }
    first.signal("KILL");
    drop(first);
    dev.add("work", &fs::read(components().join("echo.wasm")).unwrap());
    let second = dev.start();
    second.wait_for_line("10 tasks that were not done are taken up again");
    for (n, location) in locations.iter().enumerate() {
        let (_, task) = dev.get(&second, &format!("{location}?wait=120s")).await;
        assert_eq!((&task["status"], &task["result"]), (&json!("COMPLETED"), &json!(n)));
    }
}

#[tokio::test]
async fn a_component_is_picked_up_when_its_file_changes() {
    let dev = Dev::new(&[]);
    let warren = dev.start();
    let ask = json!({ "task_name": "hello", "payload": 1, "message_id": "1" });
    let (_, task) = dev.submit(&warren, &ask).await;
    assert!(task["error"].as_str().unwrap().starts_with("no_such_component: "), "{task}");

    dev.add("hello", b"\0asm\x01\0\0\0");
    warren.wait_for_line("component hello can't be used: it is a core module");
    dev.add("hello", &guest("(unreachable)"));
    warren.wait_for_line("component hello is ready");
    dev.add("hello", &fs::read(components().join("echo.wasm")).unwrap());
    // A task that was asked for before: the same id, executed now.
    let mut task = Value::Null;
    for _ in 0..100 {
        (_, task) = dev.submit(&warren, &json!({ "task_name": "hello", "payload": 1 })).await;
        if task["status"] == "COMPLETED" {
            break;
        }
    }
    assert_eq!(task["status"], "COMPLETED", "{task}");
    fs::remove_file(dev.folder.path().join("components/hello.wasm")).unwrap();
    warren.wait_for_line("component hello is gone");
}

#[tokio::test]
async fn events_are_stored() {
    let dev = Dev::new(&[]);
    let warren = dev.start();
    let body =
        json!({ "routing_key": "routing.event.create.user", "payload": { "user_id": 1 }, "producer_app": "shop" });
    let response = dev.http.post(format!("{}/v1/events", warren.url)).json(&body).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let deadline = std::time::Instant::now() + process::PATIENCE;
    let event = loop {
        let (status, event) = dev.get(&warren, &location).await;
        if status == StatusCode::OK {
            break event;
        }
        assert!(std::time::Instant::now() < deadline, "{event}");
    };
    assert_eq!((&event["payload"], &event["producer_app"]), (&json!({ "user_id": 1 }), &json!("shop")));
    let (_, page) = dev.get(&warren, "/v1/events?routing_key=routing.event.create.user").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let (_, page) = dev.get(&warren, "/v1/events?routing_key=routing.event.delete.user").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn dead_letters_in_memory_are_listed_tried_again_and_thrown_away() {
    let dev = Dev::new(&[]);
    let warren = dev.start();
    for n in 0..2 {
        let body = json!({ "task_name": "late", "payload": n, "message_id": format!("m-{n}"), "producer_app": "p" });
        assert_eq!(dev.submit(&warren, &body).await.1["status"], "FAILED");
    }
    let listed = async |query: &str| dev.get(&warren, &format!("/v1/dead-letters{query}")).await;
    let deadline = std::time::Instant::now() + process::PATIENCE;
    // The message is settled after its row, which is what the answer waits for.
    while listed("").await.1["items"].as_array().unwrap().len() < 2 {
        assert!(std::time::Instant::now() < deadline, "{}", listed("").await.1);
    }
    let (_, list) = listed("?reason=no_such_component&component=late").await;
    let ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), &list["items"][0]["queue"]), (2, &json!("dead.tasks")));
    let (status, shown) = listed(&format!("/{}", ids[0])).await;
    assert_eq!((status, &shown["body"]["payload"], &shown["message_id"]), (StatusCode::OK, &json!(0), &json!("m-0")));
    let (status, problem) = listed("?queue=dead.task.a.b").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem["detail"].as_str().unwrap().contains("no queue dead.task.a.b"), "{problem}");

    let change = async |what: &str, body: &Value, origin: Option<&str>| {
        let request = dev.http.post(format!("{}/v1/dead-letters/{what}", warren.url)).json(body);
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        let response = request.send().await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };
    let (status, _) = change("discard", &json!({ "all": true }), Some("http://evil.example")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    dev.add("late", &fs::read(components().join("echo.wasm")).unwrap());
    warren.wait_for_line("component late is ready");
    let (status, told) = change("retry", &json!({ "ids": [ids[0]] }), None).await;
    assert_eq!((status, &told["done"]), (StatusCode::OK, &json!(1)), "{told}");
    let (_, told) = change("discard", &json!({ "all": true }), None).await;
    assert_eq!((&told["done"], &told["not_looked_at"]), (&json!(1), &json!(0)), "{told}");
    let (_, tasks) = dev.get(&warren, "/v1/tasks").await;
    let task = |id: &str| tasks["items"].as_array().unwrap().iter().find(|task| task["message_id"] == id).unwrap();
    let path = format!("/v1/tasks/{}?wait=30s", task("m-0")["id_task"].as_str().unwrap());
    assert!(dev.completes(&warren, &path).await);
    assert_eq!(task("m-1")["status"], "FAILED");
    assert_eq!(listed("").await.1["items"], json!([]));
}

#[tokio::test]
async fn wrong_requests_get_problem_details() {
    let dev = Dev::new(&[]);
    let warren = dev.start();
    let cases = [
        ("GET", "/v1/tasks/not-a-uuid", "", 404, "an id is a UUID"),
        ("GET", "/v1/tasks/00000000-0000-0000-0000-000000000000", "", 404, "no task has the id"),
        ("GET", "/v1/tasks/00000000-0000-0000-0000-000000000000/logs", "", 404, "no task has the id"),
        ("GET", "/v1/tasks/00000000-0000-0000-0000-000000000000/logs?attempt=-1", "", 400, "attempt"),
        ("GET", "/v1/events/00000000-0000-0000-0000-000000000000", "", 404, "no event with the id"),
        ("GET", "/nothing", "", 404, "nothing at this path"),
        ("DELETE", "/v1/tasks", "", 405, "does not take this method"),
        ("GET", "/v1/tasks?limit=0", "", 400, "limit=0"),
        ("GET", "/v1/tasks?after=x", "", 400, "after: not a cursor"),
        ("GET", "/v1/tasks?colour=red", "", 400, "colour"),
        ("GET", "/v1/tasks?class=slow", "", 400, "class: \"slow\" is no class of errors; they are invalid, business"),
        ("GET", "/v1/tasks?since=yesterday", "", 400, "since: \"yesterday\" is no time"),
        ("GET", "/v1/tasks?until=2030-01-31", "", 400, "until: "),
        ("POST", "/v1/tasks?wait=soon", r#"{"task_name":"echo","payload":1}"#, 400, "wait=soon"),
        ("POST", "/v1/tasks", "{", 400, "EOF"),
        ("POST", "/v1/tasks", r#"{"task_name":"echo"}"#, 422, "payload"),
        ("POST", "/v1/tasks", r#"{"task_name":"../x","payload":1}"#, 422, "task_name"),
        ("POST", "/v1/tasks", r#"{"task_name":"echo","payload":1,"message_id":""}"#, 422, "message_id is empty"),
        ("POST", "/v1/events", r#"{"routing_key":"k","payload":[]}"#, 422, "no JSON object"),
        ("GET", "/v1/dead-letters?limit=0", "", 400, "limit=0"),
        ("GET", "/v1/dead-letters?older_than=old", "", 400, "older_than=old"),
        ("GET", "/v1/dead-letters?queue=tasks", "", 422, "tasks is no queue of dead letters"),
        ("GET", "/v1/dead-letters/x", "", 400, "an id has 12 digits"),
        ("GET", "/v1/dead-letters/000000", "", 404, "dead.tasks, dead.event.store has the id 000000"),
        ("POST", "/v1/dead-letters/discard", "{}", 422, "nothing says which"),
        ("POST", "/v1/dead-letters/discard", r#"{"queue":"dead.tasks"}"#, 422, "nothing says which"),
        ("POST", "/v1/dead-letters/discard", r#"{"all":true,"reason":"trap"}"#, 422, "one of them"),
        ("POST", "/v1/dead-letters/retry", r#"{"ids":[]}"#, 422, "ids is empty"),
        ("POST", "/v1/dead-letters/retry", r#"{"ids":[""]}"#, 422, "an id has 12 digits"),
        ("POST", "/v1/dead-letters/retry", r#"{"all":true,"limit":10001}"#, 422, "limit 10001"),
        ("POST", "/v1/dead-letters/retry", r#"{"all":true,"older":"1h"}"#, 422, "older"),
    ];
    for (method, path, body, expected, told) in cases {
        let request = dev.http.request(method.parse().unwrap(), format!("{}{path}", warren.url));
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(response.status(), expected, "{method} {path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{method} {path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["status"], expected);
        assert!(problem["detail"].as_str().unwrap().contains(told), "{method} {path}: {problem}");
    }
}

#[tokio::test]
async fn health_and_description_are_there() {
    let dev = Dev::new(&[]);
    let mut warren = dev.start();
    let alive = dev.http.get(format!("{}/healthz", warren.url)).send().await.unwrap();
    assert_eq!(alive.status(), StatusCode::OK);
    let (status, ready) = dev.get(&warren, "/readyz").await;
    assert_eq!((status, &ready["ready"]), (StatusCode::OK, &json!(true)));
    let (_, description) = dev.get(&warren, "/openapi.json").await;
    let paths: Vec<_> = description["paths"].as_object().unwrap().keys().cloned().collect();
    let tasks = ["/v1/tasks", "/v1/tasks/{id}", "/v1/tasks/{id}/cancel", "/v1/tasks/{id}/logs", "/v1/tasks/{id}/retry"];
    let components = ["", "/{name}", "/{name}/current", "/{name}/usage"].map(|rest| format!("/v1/components{rest}"));
    let components = components.each_ref().map(String::as_str);
    let letters = ["", "/discard", "/retry", "/{id}"].map(|rest| format!("/v1/dead-letters{rest}"));
    let letters = letters.each_ref().map(String::as_str);
    let events = ["/v1/events", "/v1/events/{id}"];
    let schedules = ["/v1/schedules", "/v1/schedules/{name}"];
    let others = ["/healthz", "/readyz", "/v1/activity"];
    assert_eq!(paths, [&others[..], &components, &letters, &events, &schedules, &tasks].concat());
    warren.signal("TERM");
    assert!(warren.wait().success());
    assert!(warren.log().contains("nothing is left behind"), "{}", warren.log());
}
