//! `warren topology`, as an operator uses it, and what it says when something is not as it has to be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/broker_fixture.rs"]
mod fixture;
#[path = "support/process.rs"]
mod process;
#[path = "../../event-driven/tests/support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::process::Output;

use event_driven::{
    connection::{ConnectionSettings, connect},
    lapin::{
        Channel, ExchangeKind,
        options::{ExchangeDeclareOptions, QueueDeclareOptions},
        types::AMQPValue,
    },
};
use fixture::{LONG, headers};
use process::warren;
use serde_json::{Value, json};
use vhost::{Vhost, rabbitmqctl};

/// Runs `warren` on this broker; gives its exit code, stdout and stderr. Without colours, as for a pipe.
fn run(url: &str, args: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = warren();
    command.env("RABBITMQ_URL", url).current_dir(folder.path());
    let Output { status, stdout, stderr } = tokio::task::block_in_place(|| command.args(args).output().unwrap());
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!stderr.contains("secret"), "a password is shown: {stderr}");
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), stderr)
}

fn json_of(url: &str, args: &[&str]) -> (i32, Vec<Value>) {
    let (code, stdout, stderr) = run(url, &[args, &["--output", "json"]].concat());
    (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")))
}

fn of<'f>(findings: &'f [Value], what: &str) -> &'f Value {
    findings.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("{what}: {findings:#?}"))
}

async fn channel(vhost: &Vhost) -> Channel {
    let settings = ConnectionSettings { address: vhost.address(), name: "test".to_owned(), timeout: LONG };
    connect(&settings).await.unwrap().create_channel().await.unwrap()
}

fn queues(vhost: &Vhost) -> String {
    rabbitmqctl(&["-q", "list_queues", "-p", &vhost.name, "name"])
}

#[tokio::test(flavor = "multi_thread")]
async fn show_needs_no_connection() {
    let (code, plan) = json_of("", &["topology", "show"]);
    assert_eq!(code, 0);
    let tasks = plan.iter().find(|declaration| declaration["exchange"] == "task.exchange").unwrap();
    let expected = json!({
        "exchange": "task.exchange", "type": "direct", "durable": true,
        "arguments": { "alternate-exchange": "task.unrouted.exchange" },
    });
    assert_eq!(*tasks, expected);

    let (_, table, _) = run("", &["topology", "show", "--queue", "event.create.user.to.billing"]);
    assert!(table.starts_with("WHAT") && table.contains("exchange event.exchange"), "{table}");
    let row = table.lines().find(|line| line.starts_with("queue event.create.user.to.billing")).unwrap();
    assert!(row.contains("durable") && row.contains("x-message-ttl=86400000"), "{row}");
    assert!(table.contains("queue attempt.2.create.user.to.billing") && !table.contains("queue tasks"), "{table}");

    let mut named = warren();
    named.env("WARREN_TOPOLOGY_TASK_KEYS", "routing.task.run.echo, k").args(["topology", "show"]);
    let table = String::from_utf8(named.output().unwrap().stdout).unwrap();
    for key in ["routing.task.run.echo", "k"] {
        assert!(table.contains(&format!("binding of tasks to task.exchange by key '{key}'")), "{table}");
    }
    assert!(!table.contains("alternate-exchange"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_apply_check() {
    let vhost = Vhost::create();
    let url = vhost.url();
    let (code, table, _) = run(&url, &["topology", "check"]);
    assert_eq!(code, 1);
    assert!(table.ends_with("26 missing: `warren topology apply` declares what is missing\n"), "{table}");
    let (_, doctor) = json_of(&url, &["doctor"]);
    let broker = doctor.iter().find(|check| check["check"] == "broker").unwrap();
    assert_eq!(broker["ok"], false);
    assert!(broker["found"].as_str().unwrap().contains("26 of 26 things are missing: `warren topology apply`"));
    assert_eq!(queues(&vhost).lines().filter(|line| line.contains("tasks")).count(), 0);

    let (code, applied) = json_of(&url, &["topology", "apply"]);
    assert_eq!((code, &of(&applied, "queue tasks")["done"]), (0, &json!("declared")));
    let (code, table, _) = run(&url, &["topology", "check"]);
    assert_eq!(code, 0);
    assert!(table.contains("20 right, 6 unknown: nothing is missing"), "{table}");
    let (_, again) = json_of(&url, &["topology", "apply"]);
    assert_eq!(of(&again, "queue tasks")["done"], "right");
    let (_, doctor) = json_of(&url, &["doctor"]);
    assert_eq!(doctor.iter().find(|check| check["check"] == "broker").unwrap()["ok"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_queue_that_differs_is_told_and_used() {
    let vhost = Vhost::create();
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let own = headers(&[("x-message-ttl", AMQPValue::LongInt(60_000))]);
    channel(&vhost).await.queue_declare("task.process.order".into(), options, own).await.unwrap();
    let queue = ["--queue", "task.process.order", "--queue", "event.create.user.to.billing"];
    let (code, applied) = json_of(&vhost.url(), &[&["topology", "apply"], &queue[..]].concat());
    assert_eq!(code, 0);
    assert_eq!(of(&applied, "queue event.create.user.to.billing")["done"], "declared");
    let (code, checked) = json_of(&vhost.url(), &[&["topology", "check"], &queue[..]].concat());
    let found = of(&checked, "queue task.process.order");
    assert_eq!((code, &found["state"]), (0, &json!("differs")));
    let ttl = json!({ "argument": "x-message-ttl", "wanted": "86400000", "found": "60000" });
    assert!(found["differences"].as_array().unwrap().contains(&ttl), "{found:#}");
    let (_, table, _) = run(&vhost.url(), &[&["topology", "check"], &queue[..]].concat());
    assert!(table.contains("x-max-length is none instead of '10000'; "), "{table}");
    assert!(table.contains("used as it stands") && table.contains("1 differs"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_can_not_be_used() {
    let vhost = Vhost::create();
    let channel = channel(&vhost).await;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare("task.exchange".into(), ExchangeKind::Direct, durable, headers(&[])).await.unwrap();
    channel.exchange_declare("event.exchange".into(), ExchangeKind::Fanout, durable, headers(&[])).await.unwrap();
    let (code, checked) = json_of(&vhost.url(), &["topology", "check"]);
    let found = of(&checked, "exchange task.exchange");
    assert_eq!((code, &found["state"]), (1, &json!("unusable")));
    let reason = found["reason"].as_str().unwrap();
    assert!(reason.contains("rabbitmqctl set_policy") && reason.contains("topology.task_keys"), "{reason}");

    let (code, _, stderr) = run(&vhost.url(), &["topology", "apply"]);
    assert_eq!(code, 1);
    for part in ["error: nothing was declared", "type is 'fanout' instead of 'topic'", "rabbitmqctl set_policy"] {
        assert!(stderr.contains(part), "{part:?} is missing from: {stderr}");
    }
    assert!(!queues(&vhost).contains("tasks"));
    let (_, doctor) = json_of(&vhost.url(), &["doctor"]);
    let broker = doctor.iter().find(|check| check["check"] == "broker").unwrap();
    assert!(broker["found"].as_str().unwrap().contains("rabbitmqctl set_policy"), "{broker}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_can_not_be_asked() {
    for command in ["check", "apply"] {
        for (url, parts) in [
            ("", &["no broker is configured: set RABBITMQ_URL", "warren topology show"][..]),
            ("http://u:secret@127.0.0.1", &["the RabbitMQ URL is wrong", "amqp://user:password@host:5672"]),
            (
                "amqp://u:secret@127.0.0.1:1",
                &["no connection to RabbitMQ at amqp://u:***@127.0.0.1:1", "check the host"],
            ),
        ] {
            let (code, stdout, stderr) = run(url, &["topology", command]);
            assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
            assert!(parts.iter().all(|part| stderr.contains(part)), "{parts:?}: {stderr}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_no_services_own() {
    for name in ["tasks", "dead.event.create.user.to.billing", "event.create.user", "event.made.user.to.billing", ""] {
        let (code, _, stderr) = run("", &["topology", "show", "--queue", name]);
        assert_eq!(code, 2);
        for part in [name, "event.create.user.to.billing", "task.process.order", "warren's own queues without --queue"]
        {
            assert!(stderr.contains(part), "{part:?} is missing from: {stderr}");
        }
    }
}
