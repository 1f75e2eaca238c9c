//! What `warren bench` does not measure, and what it says then.

use event_driven::{
    connection::{ConnectionSettings, connect},
    topology::{State, TopologySettings, apply, check, exchanges},
};
use serde_json::json;

use crate::{assert_nothing_is_left, bench, bench_dev, process::PATIENCE, queues, run, schemas, stack::Stack};

/// Few, so that one that is measured by mistake is over soon.
pub(crate) const FEW: [&str; 4] = ["--only", "burn-down", "--tasks", "10"];

pub(crate) fn assert_refused(command: &mut std::process::Command, parts: &[impl AsRef<str>]) {
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
    assert!(!stderr.contains("secret"), "a password is shown: {stderr}");
    for part in parts.iter().map(AsRef::as_ref) {
        assert!(stderr.contains(part), "{part:?} is missing from: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_host_with_queues_of_a_warren_is_left_as_it_is() {
    let stack = Stack::new().await;
    let mut warren = stack.start(&[]);
    let in_use = format!("the virtual host {} is in use: ", stack.vhost.name);
    let refused = |found: &'static str| [in_use.clone(), found.to_owned(), "name another with --vhost".to_owned()];
    assert_refused(&mut bench(&stack, &FEW), &refused(" consumers"));
    stack.publisher().await.task("echo", &json!(1), Some("m-1")).await;
    assert_eq!(stack.ended("echo", 1).await.len(), 1, "the real one works on");
    // One that is stopped needs its queues all the same.
    warren.signal("TERM");
    warren.wait();
    let before = queues(&stack).await;
    assert_refused(&mut bench(&stack, &FEW), &refused("it has the queue "));
    assert_eq!(queues(&stack).await, before);
    assert_eq!((before.is_empty(), schemas(&stack).await), (false, 0));
}

/// Services publish and subscribe by it, whether or not a warren is there, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_host_with_an_exchange_of_services_is_left_as_it_is() {
    let stack = Stack::new().await;
    let name = "test".to_owned();
    let settings = ConnectionSettings { address: stack.vhost.address(), name, timeout: PATIENCE };
    let connection = connect(&settings).await.unwrap();
    let event_exchange = &exchanges(&TopologySettings::default())[..1];
    apply(&connection, event_exchange).await.unwrap();
    assert_refused(&mut bench(&stack, &FEW), &["is in use: it has the exchange ", "name another with --vhost"]);
    let found = check(&connection, event_exchange).await.unwrap();
    assert!(matches!(found[0].state, State::Right), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_with_what_to_do() {
    let stack = Stack::new().await;
    let mut nowhere = stack.bare();
    let set = "rabbitmqctl set_permissions --vhost test-none";
    let parts = ["no virtual host \"test-none\"", "rabbitmqctl add_vhost test-none\n", set, "warren bench --dev"];
    assert_refused(nowhere.args(["bench", "--vhost", "test-none"]), &parts);
    let mut same = stack.bare();
    same.env("RABBITMQ_URL", "amqp://u:secret@127.0.0.1/warren-bench");
    assert_refused(
        same.arg("bench"),
        &["RABBITMQ_URL names the virtual host warren-bench itself", "--vhost warren-bench"],
    );
    let mut without = bench(&stack, &FEW);
    without.env_remove("DATABASE_URL");
    assert_refused(&mut without, &["set DATABASE_URL", "warren bench --dev"]);
    let mut away = bench(&stack, &FEW);
    away.env("RABBITMQ_URL", "amqp://u:secret@127.0.0.1:1/v");
    assert_refused(&mut away, &["no connection to RabbitMQ at amqp://u:***@127.0.0.1:1"]);

    let there = "which has echo, process_order, thumbnail: upload it (`warren component push FILE.wasm --name nobody`)";
    assert_refused(&mut bench(&stack, &["--task", "nobody"]), &["there is no component nobody in ", there, "--task"]);
    let fails = ["--task", "process_order", "--payload", r#"{"lines":[]}"#];
    let parts = ["process_order does not complete with this payload: invalid: ", "--payload"];
    assert_refused(&mut bench(&stack, &fails), &parts);
    let folder = tempfile::tempdir().unwrap();
    let dev = [&["--dev"][..], &fails].concat();
    assert_refused(&mut bench_dev(folder.path(), &dev), &parts);
    assert_nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_does_not_start_is_told_with_its_log() {
    let stack = Stack::new().await;
    let mut command = bench(&stack, &FEW);
    // More address space than there is, which only a runtime needs.
    command.env("WARREN_SANDBOX_CONCURRENCY", "10000").env("WARREN_CEILING_MEMORY", "4GiB");
    assert_refused(
        &mut command,
        &[
            "the runtime under test has ended (exit status: 1); it said:\n  error: no WebAssembly engine for 10000 guests",
        ],
    );
    assert_nothing_is_left(&stack).await;
}
