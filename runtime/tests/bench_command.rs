//! `warren bench`, as a person or a script uses it: what it tells, what it refuses, and that it leaves nothing behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "bench_command/ended.rs"]
mod ended;
#[path = "support/process.rs"]
mod process;
#[path = "bench_command/refused.rs"]
mod refused;
#[path = "support/stack.rs"]
mod stack;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use std::{
    path::Path,
    process::{Command, Output},
};

use event_driven::{
    connection::ConnectionSettings,
    topology::{Declaration, TopologySettings, plan},
};
use process::{PATIENCE, compiled, components, warren};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use stack::Stack;
use vhost::rabbitmqctl;
use warren::broker::{Depth, Depths};

/// Runs it; gives its exit code, stdout and stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = tokio::task::block_in_place(|| command.output().unwrap());
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// `warren bench` on this stack, in the virtual host of it.
fn bench(stack: &Stack, arguments: &[&str]) -> Command {
    let mut command = stack.bare();
    command.args(["bench", "--vhost", &stack.vhost.name]).args(arguments);
    command
}

/// `warren bench` where there are no servers.
fn bench_dev(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = warren();
    command.arg("bench").args(arguments).current_dir(folder);
    command.env("WARREN_COMPONENTS_URL", components()).env("WARREN_COMPONENTS_CACHE", compiled());
    command
}

/// The schemas of measurements that there are.
async fn schemas(stack: &Stack) -> i64 {
    let sql = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'warren_bench%'";
    let connection = stack.database.connection();
    let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await;
    row.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// The queues of a warren that there are, with who consumes them.
async fn queues(stack: &Stack) -> Vec<Depth> {
    let settings = ConnectionSettings { address: stack.vhost.address(), name: "test".into(), timeout: PATIENCE };
    let names: Vec<_> = plan(&TopologySettings::default()).iter().filter_map(queue).collect();
    let depths = Depths::connect(&settings).await.unwrap().read(&names).await.unwrap();
    depths.into_iter().filter(|depth| depth.messages.is_some()).collect()
}

fn queue(declaration: &Declaration) -> Option<String> {
    let Declaration::Queue(queue) = declaration else { return None };
    Some(queue.name.clone())
}

/// Everything is as it was before: no queue, no exchange but RabbitMQ's own, no schema.
async fn assert_nothing_is_left(stack: &Stack) {
    assert_eq!(queues(stack).await, []);
    let exchanges = rabbitmqctl(&["-q", "list_exchanges", "-p", &stack.vhost.name, "name"]);
    let others = exchanges.lines().filter(|line| !line.starts_with("amq.") && !["name", ""].contains(line));
    assert_eq!(others.count(), 0, "{exchanges}");
    assert_eq!(schemas(stack).await, 0);
}

/// A number that is there, and more than nothing.
fn positive(figures: &Value, field: &str) -> f64 {
    let number = figures[field].as_f64().unwrap_or_else(|| panic!("{field} is no number: {figures:#}"));
    assert!(number > 0.0, "{field}: {figures:#}");
    number
}

/// A heap of work that was done, all of it, once.
fn assert_burnt_down(heap: &Value, count: u64) {
    assert_eq!((&heap["done"], &heap["rows"]), (&json!(count), &json!(count)), "{heap:#}");
    positive(heap, "first_commit_ms");
    // So few may be there at the first look.
    assert!(heap["per_second"].is_null() || positive(heap, "per_second") > 0.0 && positive(heap, "seconds") > 0.0);
    let memory = &heap["memory"];
    assert!(positive(memory, "peak_bytes") >= positive(memory, "after_bytes"), "{heap:#}");
}

/// The figures of rates at which all tasks were answered.
fn assert_answered(rates: &Value, expected: &[(u64, u64)]) {
    let rates = rates.as_array().unwrap();
    assert_eq!(rates.len(), expected.len());
    for (rate, (per_second, sent)) in rates.iter().zip(expected) {
        let told = ["per_second", "sent", "answered", "unanswered"].map(|field| rate[field].as_u64().unwrap());
        assert_eq!(told, [*per_second, *sent, *sent, 0], "{rate:#}");
        assert!(positive(rate, "max_us") >= positive(rate, "p50_us"), "{rate:#}");
        assert!(positive(rate, "answered_per_second") < 2.0 * *per_second as f64, "{rate:#}");
        assert_eq!(rate["p99_us"].is_null(), *sent < 100, "{rate:#}");
        assert!(rate["p99_9_us"].is_null() && rate["late"].is_u64() && rate["latest_us"].is_u64(), "{rate:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_servers_every_figure_is_told_and_nothing_is_left() {
    let stack = Stack::new().await;
    let arguments = ["--tasks", "400", "--rates", "10,150", "--seconds", "1", "--output", "json"];
    let (code, stdout, stderr) = run(&mut bench(&stack, &arguments));
    assert_eq!((code, stderr.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let machine = &report["machine"];
    assert!(machine["broker"].as_str().unwrap().starts_with("RabbitMQ"), "{machine}");
    assert!(machine["database"].as_str().unwrap().starts_with("PostgreSQL "), "{machine}");
    assert_eq!(machine["debug_build"], json!(cfg!(debug_assertions)));
    assert!(positive(machine, "cores") >= 1.0 && machine["warren"].is_string(), "{machine}");
    assert_eq!(report["task"], json!({ "name": "echo", "payload_bytes": 80, "with_ids": true }));
    positive(&report, "idle_bytes");
    for heap in ["burn_down", "events"] {
        assert_burnt_down(&report[heap], 400);
        positive(&report[heap], "published_per_second");
    }
    assert_answered(&report["latency"], &[(10, 10), (150, 150)]);
    assert_nothing_is_left(&stack).await;
    // What is beside the schema of the measurement is as it was.
    assert_eq!(stack.database.list_tasks(&Default::default(), 10, None).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_for_people_and_only_what_is_asked_for() {
    let (stack, folder) = (Stack::new().await, tempfile::tempdir().unwrap());
    let arguments = ["--only", "burn-down", "--tasks", "2000", "--without-ids", "--payload-bytes", "300"];
    let mut command = bench(&stack, &arguments);
    command.env("DATABASE_URL", format!("sqlite://{}/warren.db", folder.path().display()));
    let (code, table, stderr) = run(&mut command);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let parts = [
        "broker: RabbitMQ",
        "database: SQLite 3.",
        "echo with a payload of 300 bytes, without message ids",
        "BURN-DOWN",
        "2000 tasks",
        "PROCESSOR TIME FOR EACH",
        "MEMORY OF THE RUNTIME",
    ];
    for part in parts {
        assert!(table.contains(part), "{part:?} is missing from:\n{table}");
    }
    for part in ["events", "TASKS A SECOND", "\u{1b}"] {
        assert!(!table.contains(part), "{part:?} is in:\n{table}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "the folder is removed, and the file was never made");
    assert_nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_it_measures_warren_dev() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--tasks", "300", "--rates", "100", "--seconds", "1", "--output", "json"];
    let (code, stdout, stderr) = run(&mut bench_dev(folder.path(), &arguments));
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.starts_with("RABBITMQ_URL is not set: measuring `warren dev`"), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["machine"]["broker"], "in process");
    assert_burnt_down(&report["burn_down"], 300);
    assert_burnt_down(&report["events"], 300);
    assert_eq!(report["burn_down"]["published_per_second"], Value::Null);
    assert_answered(&report["latency"], &[(100, 100)]);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_bars_show_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let command = bench_dev(folder.path(), &["--dev", "--only", "events", "--tasks", "200"]);
    let line = format!("'{}' bench --dev --only events --tasks 200", command.get_program().to_str().unwrap());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm");
    script.current_dir(folder.path());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let (code, shown, _) = run(&mut script);
    assert!(code == 0 && shown.contains(" of 200, ") && shown.contains("200 events"), "{shown:?}");
}
