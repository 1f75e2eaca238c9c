//! The same over HTTP: what is listed, who may change what, what is done and what stays, and that one goes through them at a
//! time.

use std::{fs, process::Output};

use event_driven::lapin::BasicProperties;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use warren::{
    config::TokenHash,
    lifecycle::{TaskFilter, TaskStatus, TaskSummary},
};

use crate::{
    printed,
    process::{Process, warren},
    stack::{Stack, TestPublisher, headers},
};

/// A runtime that tries nothing twice and knows some tokens, and its dead letters: two tasks for components that are not there.
struct Site {
    stack: Stack,
    publisher: TestPublisher,
    warren: Process,
    http: Client,
    _settings: TempDir,
}

impl Site {
    async fn start(tokens: &[(&str, &str)]) -> Self {
        let (stack, settings) = (Stack::new().await, tempfile::tempdir().unwrap());
        let tokens = tokens.iter().enumerate().map(|(n, (token, rights))| {
            format!("[[http.tokens]]\nname = 'token-{n}'\nsha256 = '{}'\n{rights}\n", TokenHash::of(token).to_hex())
        });
        let file = settings.path().join("warren.toml");
        fs::write(&file, tokens.collect::<String>()).unwrap();
        let publisher = stack.publisher().await;
        let warren = stack.start(&[("WARREN_RETRY_RETRIES", "0"), ("WARREN_CONFIG", file.to_str().unwrap())]);
        publisher.task("late", &json!({ "keep": "me" }), Some("late-1")).await;
        publisher.task("never", &json!(2), None).await;
        publisher.wait_for_depth("dead.tasks", 2).await;
        warren::tls::install_ring();
        let http = Client::builder().no_proxy().build().unwrap();
        Self { stack, publisher, warren, http, _settings: settings }
    }

    /// With a token that is good for all of it.
    async fn open() -> Self {
        Self::start(&[("wrn_good", "scopes = ['dead-letters:write']")]).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.http.get(format!("{}/v1/dead-letters{path}", self.warren.url)).send().await.unwrap()).await
    }

    async fn post(&self, what: &str, token: Option<&str>, body: &Value) -> (StatusCode, Value) {
        let request = self.http.post(format!("{}/v1/dead-letters/{what}", self.warren.url)).json(body);
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        answer(request.send().await.unwrap()).await
    }

    /// `warren dead` without a broker in its settings.
    fn dead(&self, token: Option<&str>, arguments: &[&str]) -> Output {
        let mut command = warren();
        command.current_dir(self.stack.components.path()).env("WARREN_URL", &self.warren.url);
        command.arg("dead").args(arguments).envs(token.map(|token| ("WARREN_TOKEN", token)));
        tokio::task::block_in_place(|| command.output().unwrap())
    }
}

async fn answer(response: Response) -> (StatusCode, Value) {
    (response.status(), response.json().await.unwrap())
}

fn told(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_listed_and_shown_and_stay_where_they_are() {
    let site = Site::start(&[]).await;
    site.publisher.raw("", "dead.tasks", b"somebody else's", BasicProperties::default()).await;
    let (status, list) = site.get("").await;
    assert_eq!(
        (status, list["items"].as_array().unwrap().len(), &list["not_looked_at"]),
        (StatusCode::OK, 3, &json!(0))
    );
    site.publisher.wait_for_depth("dead.tasks", 3).await;
    let (_, late) = site.get("?component=late&reason=no_such_component&queue=dead.tasks").await;
    let (letter, count) = (&late["items"][0], late["items"].as_array().unwrap().len());
    assert_eq!((count, &letter["message_id"]), (1, &json!("late-1")), "{late}");
    assert!(letter["died_at"].is_string() && letter["reason"].as_str().unwrap().starts_with("no_such_component: "));
    site.publisher.wait_for_depth("dead.tasks", 3).await;
    let (_, none) = site.get("?older_than=1h").await;
    assert_eq!(none["items"], json!([]));
    site.publisher.wait_for_depth("dead.tasks", 3).await;
    let (_, one) = site.get("?limit=1&queue=dead.tasks").await;
    assert_eq!((one["items"].as_array().unwrap().len(), &one["not_looked_at"]), (1, &json!(2)));
    // Nothing tells its origin: its class is unknown.
    let is_foreign = |letter: &&Value| letter["class"].is_null();
    assert_eq!(list["items"].as_array().unwrap().iter().filter(is_foreign).count(), 1, "{list}");

    site.publisher.wait_for_depth("dead.tasks", 3).await;
    let (status, shown) = site.get(&format!("/{}", &letter["id"].as_str().unwrap()[..8])).await;
    assert_eq!((status, &shown["body"]["payload"]["keep"]), (StatusCode::OK, &json!("me")), "{shown}");
    assert_eq!((&shown["id"], &shown["headers"]["producer_app"]), (&letter["id"], &json!("test")), "{shown}");
    let (status, unknown) = site.get("/000000").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(told(&unknown).contains("dead.tasks, dead.event.store has the id 000000"), "{unknown}");
    for (queue, expected) in [("dead.task.gone.away", "there is no queue"), ("tasks", "is no queue of dead letters")] {
        let (status, problem) = site.get(&format!("?queue={queue}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(told(&problem).contains(expected), "{problem}");
    }
    site.publisher.wait_for_depth("dead.tasks", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_without_a_token_that_is_good_for_it() {
    let closed = Site::start(&[]).await;
    let (status, problem) = closed.post("discard", None, &json!({ "all": true })).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(told(&problem).contains("writing over HTTP is off"), "{problem}");
    closed.publisher.wait_for_depth("dead.tasks", 2).await;

    let site = Site::start(&[
        ("wrn_components", "scopes = ['components:write']"),
        ("wrn_some", "scopes = ['dead-letters:write']\ncomponents = ['la*']"),
    ])
    .await;
    let all = json!({ "all": true });
    for what in ["retry", "discard"] {
        for (token, body, expected, words) in [
            (None, &all, StatusCode::UNAUTHORIZED, "takes a token"),
            (Some("wrn_wrong"), &all, StatusCode::UNAUTHORIZED, "takes a token"),
            (Some("wrn_components"), &all, StatusCode::FORBIDDEN, "has not the scope dead-letters:write"),
            (Some("wrn_some"), &all, StatusCode::FORBIDDEN, "name one of them (component)"),
            (Some("wrn_some"), &json!({ "component": "never" }), StatusCode::FORBIDDEN, "not for component never"),
            // Of those who may write nothing, nothing is judged.
            (None, &json!({ "nonsense": 1 }), StatusCode::UNAUTHORIZED, "takes a token"),
        ] {
            let (status, problem) = site.post(what, token, body).await;
            assert_eq!(status, expected, "{token:?} {body}: {problem}");
            assert!(told(&problem).contains(words), "{problem}");
        }
    }
    site.publisher.wait_for_depth("dead.tasks", 2).await;
    let (status, changed) = site.post("discard", Some("wrn_some"), &json!({ "component": "late" })).await;
    assert_eq!((status, &changed["done"]), (StatusCode::OK, &json!(1)), "{changed}");
    site.warren.wait_for_line("1 dead letters were thrown away over HTTP by token-1");
    site.publisher.wait_for_depth("dead.tasks", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_tried_again_or_thrown_away_and_what_stays_is_told() {
    let site = Site::open().await;
    site.publisher.raw("", "dead.tasks", b"somebody else's", BasicProperties::default()).await;
    site.stack.add_component("late", &fs::read(site.stack.components.path().join("echo.wasm")).unwrap());
    let (status, changed) = site.post("retry", Some("wrn_good"), &json!({ "component": "late" })).await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({ "done": 1, "stayed": [], "stayed_count": 0, "foreign": 0, "not_looked_at": 0 });
    assert_eq!(changed, expected);
    let filter = TaskFilter { task_name: Some("late".into()), ..TaskFilter::default() };
    let is_done = |task: &TaskSummary| task.status == TaskStatus::Completed;
    site.stack.wait_for_tasks(&filter, |tasks| tasks.len() == 1 && tasks.iter().all(is_done)).await;

    // A subscriber's queue that is gone: what was in its dead-letter queue has nowhere to go.
    let queue = "dead.event.create.user.to.billing";
    site.publisher.declare(queue).await;
    let died = || BasicProperties::default().with_headers(headers(&[("x-error", "technical: away")]));
    site.publisher.raw("", queue, b"{}", died()).await;
    let (status, changed) = site.post("retry", Some("wrn_good"), &json!({ "queue": queue, "all": true })).await;
    assert_eq!((status, &changed["done"], &changed["stayed_count"]), (StatusCode::OK, &json!(0), &json!(1)));
    let stayed = &changed["stayed"][0];
    assert!(stayed["id"].is_string() && stayed["queue"] == queue, "{changed}");
    assert!(stayed["reason"].as_str().unwrap().contains("event.create.user.to.billing"), "{changed}");
    site.publisher.wait_for_depth(queue, 1).await;

    site.publisher.wait_for_depth("dead.tasks", 2).await;
    let (_, changed) = site.post("discard", Some("wrn_good"), &json!({ "all": true })).await;
    assert_eq!((&changed["done"], &changed["foreign"]), (&json!(1), &json!(1)), "{changed}");
    assert_eq!(site.publisher.take("dead.tasks", 1).await[0].data, b"somebody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time_goes_through_them_and_the_others_are_told_when_to_come_back() {
    let site = Site::open().await;
    let died = || BasicProperties::default().with_headers(headers(&[("x-error", "technical: away")]));
    for _ in 0..100 {
        site.publisher.raw("", "dead.tasks", b"{}", died()).await;
    }
    let url = format!("{}/v1/dead-letters?limit=1000", site.warren.url);
    let answers = futures_util::future::join_all((0..8).map(|_| site.http.get(&url).send())).await;
    let (mut served, mut sent_away) = (0, 0);
    for response in answers {
        let response = response.unwrap();
        let retry_after = response.headers().get("retry-after").cloned();
        match answer(response).await {
            (StatusCode::OK, list) => {
                // Nobody holds a part of them meanwhile. What the first one held is back a moment after its answer.
                assert!(served > 0 || list["items"].as_array().unwrap().len() == 102, "{list}");
                served += 1;
            }
            (StatusCode::SERVICE_UNAVAILABLE, problem) => {
                assert_eq!(retry_after.unwrap(), "1");
                assert!(told(&problem).contains("somebody is just going through"), "{problem}");
                sent_away += 1;
            }
            (status, other) => panic!("{status}: {other}"),
        }
    }
    assert!(served > 0 && sent_away > 0, "{served} were served, {sent_away} sent away");
    assert_eq!(site.get("").await.0, StatusCode::OK, "it is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_goes_over_http_where_no_broker_is_set() {
    let site = Site::open().await;
    let listed = site.dead(None, &["list", "--component", "late", "--output", "json"]);
    let letters: Value = serde_json::from_slice(&listed.stdout).unwrap_or_else(|_| panic!("{}", printed(&listed)));
    let id = letters[0]["id"].as_str().unwrap();
    let shown: Value = serde_json::from_slice(&site.dead(None, &["show", id]).stdout).unwrap();
    assert_eq!(shown["body"]["payload"]["keep"], "me");
    let unknown = site.dead(None, &["show", "000000"]);
    assert!(!unknown.status.success() && printed(&unknown).contains("has the id 000000"), "{}", printed(&unknown));
    let refused = site.dead(None, &["retry", id]);
    assert!(!refused.status.success() && printed(&refused).contains("takes a token"), "{}", printed(&refused));
    let retried = site.dead(Some("wrn_good"), &["retry", id]);
    assert!(printed(&retried).contains("1 dead letters were tried again"), "{}", printed(&retried));
    // There is still no such component.
    site.publisher.wait_for_depth("dead.tasks", 2).await;
    let discarded = site.dead(Some("wrn_good"), &["discard", "--yes"]);
    assert!(discarded.status.success(), "{}", printed(&discarded));
    assert!(printed(&discarded).contains("2 dead letters were thrown away"), "{}", printed(&discarded));
    site.publisher.wait_for_depth("dead.tasks", 0).await;
}
