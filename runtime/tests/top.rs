//! `warren top`: the real binary, printing once, and live on a terminal of its own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/guest.rs"]
mod guest;
#[path = "support/process.rs"]
mod process;
#[path = "support/stack.rs"]
mod stack;
#[path = "top/terminal.rs"]
mod terminal;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use std::process::{Command, Output};

use database::TestDatabase;
use guest::guest;
use process::{Process, compiled, components, warren};
use serde_json::{Value, json};
use stack::{ALIVE, Stack, TestPublisher, UNLIMITED};
use terminal::Session;
use warren::lifecycle::{TaskFilter, TaskStatus};

/// Runs it; gives its exit code, stdout and stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A runtime with a task that never ends, a dead letter, and tasks that are over.
async fn at_work() -> (Stack, Process, TestPublisher) {
    let stack = Stack::new().await;
    stack.add_component("endless", &guest("(loop (br 0)) (unreachable)"));
    let settings = [UNLIMITED[0], UNLIMITED[1], ALIVE, ("WARREN_RETRY_RETRIES", "0")];
    let (publisher, warren) = (stack.publisher().await, stack.start(&settings));
    publisher.task("endless", &json!(1), Some("e-1")).await;
    publisher.task("nobody", &json!(1), Some("n-1")).await;
    for n in 0..5 {
        publisher.task("echo", &json!(n), Some(&format!("m-{n}"))).await;
    }
    stack.ended("echo", 5).await;
    publisher.wait_for_depth("dead.tasks", 1).await;
    let running = TaskFilter { status: Some(TaskStatus::Running), ..TaskFilter::default() };
    stack.wait_for_tasks(&running, |tasks| tasks.len() == 1).await;
    (stack, warren, publisher)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_is_printed_once_for_programs_and_people() {
    let (stack, _warren, _publisher) = at_work().await;
    let (code, stdout, stderr) = run(stack.bare().args(["top", "--once", "--output", "json"]));
    assert_eq!(code, 0, "{stderr}");
    let told: Value = serde_json::from_str(&stdout).unwrap();
    let database = &told["database"];
    assert_eq!(database["running"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(
        (&database["running"][0]["task_name"], &database["running"][0]["attempt"]),
        (&json!("endless"), &json!(0))
    );
    assert_eq!(database["runtimes"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(database["running"][0]["runtime_id"], database["runtimes"][0]["runtime_id"]);
    let failures = &database["failures"];
    assert_eq!((&failures[0]["class"], &failures[0]["task_name"]), (&json!("no_such_component"), &json!("nobody")));
    assert!(database["latency"]["tasks"].as_u64() >= Some(1), "{told}");
    let depth = |queue: &str| {
        let depths = told["queues"].as_array().unwrap();
        depths.iter().find(|depth| depth["queue"] == queue).unwrap_or_else(|| panic!("{queue}: {told}")).clone()
    };
    assert_eq!(depth("dead.tasks")["messages"], 1);
    assert!(depth("tasks")["consumers"].as_u64() >= Some(1), "{told}");
    // Asked by settings with retries, of a topology without: it says so, and of the others all the same.
    assert_eq!((&depth("attempt.0.tasks")["messages"], &depth("event.store")["messages"]), (&Value::Null, &json!(0)));

    let (code, table, _) = run(stack.bare().args(["top", "--once"]));
    assert!(code == 0 && table.contains("RUNNING 1\n") && table.contains("no_such_component"), "{table}");
    assert!(table.contains("COMPLETED ") && !table.contains('\u{1b}'), "{table}");
    // Over the database alone the queues are unknown.
    let (code, table, _) = run(stack.bare().args(["top", "--once"]).env_remove("RABBITMQ_URL"));
    assert!(code == 0 && table.contains("queues are unknown: RABBITMQ_URL is not set"), "{table}");
    let (code, table, _) = run(stack.bare().args(["top", "--once"]).env("RABBITMQ_URL", "amqp://127.0.0.1:1"));
    assert!(code == 0 && table.contains("queues are unknown: no connection to RabbitMQ"), "{table}");
    let (code, table, _) =
        run(stack.bare().args(["top", "--once"]).env("DATABASE_URL", "postgres://postgres@127.0.0.1:1/postgres"));
    assert!(code == 1 && table.contains("what the database knows is unknown: "), "{table}");
    assert!(table.contains("dead.tasks"), "{table}");
}

#[test]
fn where_it_can_not_show_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite://{}/warren.db", folder.path().display());
    let (code, stdout, stderr) = run(warren().current_dir(folder.path()).arg("top").env("DATABASE_URL", sqlite));
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("this is no terminal") && stderr.contains("warren top --once"), "{stderr}");
    let nowhere =
        run(warren().current_dir(folder.path()).args(["top", "--once"]).env("WARREN_URL", "http://127.0.0.1:1"));
    assert!(nowhere.0 == 1 && nowhere.1.contains("no warren answers at http://127.0.0.1:1"), "{nowhere:?}");
    assert!(nowhere.1.contains("`warren dev`") && nowhere.1.contains("DATABASE_URL"), "{nowhere:?}");
    let (code, _, stderr) = run(warren().args(["top", "--output", "json"]));
    assert!(code == 2 && stderr.contains("--once"), "{stderr}");
    let (code, _, stderr) = run(warren().args(["top", "--interval", "1ms"]));
    assert!(code == 2 && stderr.contains("at least 200ms"), "{stderr}");
}

#[test]
fn beside_warren_dev_it_looks_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = warren();
    command.arg("dev").arg("--components").arg(components()).current_dir(folder.path());
    command.env("WARREN_COMPONENTS_CACHE", compiled()).env("WARREN_RETRY_RETRIES", "0");
    let running = Process::start(command);
    let base = || {
        let mut command = warren();
        command.env("WARREN_URL", &running.url).current_dir(folder.path());
        command
    };
    let (code, _, stderr) = run(base().args(["task", "publish", "echo", "--payload", "1", "--wait"]));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(run(base().args(["task", "publish", "nobody", "--wait"])).0, 1);
    let told = || -> Value {
        let (code, stdout, stderr) = run(base().args(["top", "--once", "--output", "json"]));
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    };
    let deadline = std::time::Instant::now() + process::PATIENCE;
    // The message is settled after its row, which is what the publisher waits for.
    let told = loop {
        let told = told();
        let dead = told["queues"].as_array().unwrap().iter().find(|depth| depth["queue"] == "dead.tasks").unwrap();
        if dead["messages"] == 1 {
            break told;
        }
        assert!(std::time::Instant::now() < deadline, "{told}");
    };
    let database = &told["database"];
    assert_eq!(database["runtimes"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(database["failures"][0]["class"], "no_such_component", "{told}");
    let (code, table, _) = run(base().args(["top", "--once"]));
    assert!(code == 0 && table.contains("dead.event.store") && table.contains("RUNNING 0"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_it_shows_what_goes_on_until_it_is_quit_and_gives_the_terminal_back() {
    let (stack, _warren, _publisher) = at_work().await;
    let mut session = Session::start(stack.bare().args(["top", "--interval", "200ms"]), 40, 120);
    session.wait_for("the task that runs", |screen| screen.contains("RUNNING 1") && screen.contains("endless"));
    session.wait_for("the dead letter", |screen| screen.contains("dead.tasks") && screen.contains("no_such_component"));
    session.press("p");
    session.wait_for("a pause", |screen| screen.contains("PAUSED"));
    session.press("p");
    session.wait_for("no pause", |screen| screen.contains("every 200ms"));
    session.press("q");
    session.assert_given_back();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_told_and_looked_for_again() {
    let test = TestDatabase::postgres().await;
    test.connect().await.close().await;
    let outage = test.begin_outage().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = warren();
    command.current_dir(folder.path()).env("DATABASE_URL", &test.config.url);
    // Small, and without colours.
    let mut session = Session::start(command.args(["top", "--interval", "200ms"]).env("NO_COLOR", "1"), 12, 50);
    session.wait_for("the outage", |screen| screen.contains("what the database knows is unknown"));
    outage.end().await;
    session.wait_for("the database", |screen| {
        screen.contains("COMPLETED 0/s") && screen.contains("RABBITMQ_URL is not set")
    });
    let outage = test.begin_outage().await;
    session.wait_for("another outage", |screen| screen.contains("what the database knows is unknown"));
    outage.end().await;
    session.wait_for("the database again", |screen| screen.contains("COMPLETED 0/s"));
    assert!(!session.shown().contains("\u{1b}[38;"), "there are colours: {:?}", session.shown());
    // Ctrl-C, which is a key here and no signal.
    session.press("\u{3}");
    session.assert_given_back();
}
