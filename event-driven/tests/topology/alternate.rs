//! A `task.exchange` that others declared without its alternate exchange.

use std::num::NonZeroU16;

use event_driven::{
    client::{Client, Deliveries, Settlement, Source},
    lapin::{Connection, ExchangeKind},
    names::Priority,
    publisher::{PublishError, Publisher},
    topology::{TopologyError, TopologySettings, apply, exchanges, plan, route},
};
use serde_json::json;

use crate::{
    classic, client, connection, durable, exchange, found, messages, process_order, service,
    vhost::{Vhost, rabbitmqctl},
    within,
};

async fn without_alternate(vhost: &Vhost) -> Connection {
    let connection = connection(vhost).await;
    exchange(&connection, "task.exchange", ExchangeKind::Direct, durable()).await;
    connection
}

/// Who consumes `tasks`, as warren does.
async fn tasks(vhost: &Vhost, settings: &TopologySettings) -> (Client, Deliveries) {
    let client = Client::connect_with(service("warren", vhost, settings.clone()), plan(settings)).await.unwrap();
    let deliveries =
        client.consume(Source::tasks(Priority::Normal, settings.retries, NonZeroU16::MIN, NonZeroU16::MIN));
    (client, deliveries)
}

/// The key of the next task, which is acked.
async fn next_key(tasks: &mut Deliveries) -> String {
    let task = within(tasks.recv()).await.unwrap();
    let key = task.routing_key.clone();
    task.settle(Settlement::Ack);
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_refused_until_a_policy_adds_it() {
    let vhost = Vhost::create();
    let connection = without_alternate(&vhost).await;
    let plan = plan(&classic());
    let error = within(apply(&connection, &plan)).await.unwrap_err();
    let TopologyError::NoAlternateExchange { command } = &error else { panic!("{error}") };
    let expected = format!(
        r#"rabbitmqctl set_policy -p '{}' task-unrouted '^task\.exchange$' '{{"alternate-exchange":"task.unrouted.exchange"}}' --apply-to exchanges"#,
        vhost.name
    );
    assert_eq!(*command, expected);
    assert!(error.to_string().contains("setting topology.task_keys"), "{error}");
    let (state, differences) = found(&connection, &plan).await["exchange task.exchange"].clone();
    assert_eq!(state, format!("unusable: {error}"));
    assert_eq!(differences, ["alternate-exchange is none instead of 'task.unrouted.exchange'"]);

    // What the message tells to do, as a shell does it.
    let words: Vec<&str> = command.split_whitespace().skip(1).map(|word| word.trim_matches('\'')).collect();
    rabbitmqctl(&words);
    assert_eq!(found(&connection, &plan).await["exchange task.exchange"], ("right".to_owned(), Vec::new()));
    let (client, mut tasks) = tasks(&vhost, &classic()).await;
    // With a consumer, a check may ask again; neither its probe nor that of `apply` is a task.
    assert_eq!(found(&connection, &plan).await["exchange task.exchange"].0, "right");
    Publisher::new(&client).task("echo", &json!({})).await.unwrap();
    assert_eq!(next_key(&mut tasks).await, "routing.task.run.echo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_leaves_no_message_behind_in_tasks() {
    let vhost = Vhost::create();
    let connection = without_alternate(&vhost).await;
    let pattern = r"^task\.exchange$";
    let policy = r#"{"alternate-exchange":"task.unrouted.exchange"}"#;
    rabbitmqctl(&["set_policy", "-p", &vhost.name, "p", pattern, policy, "--apply-to", "exchanges"]);
    let plan = plan(&classic());
    within(apply(&connection, &plan)).await.unwrap();
    let (state, _) = found(&connection, &plan).await["exchange task.exchange"].clone();
    assert!(state.starts_with("untold: ") && state.contains("while nobody consumes"), "{state}");
    assert_eq!(messages(&connection, "tasks").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn named_keys_bring_tasks_without_it() {
    let vhost = Vhost::create();
    let connection = without_alternate(&vhost).await;
    let settings = TopologySettings { task_keys: vec!["routing.task.run.echo".to_owned()], ..classic() };
    assert_eq!(within(apply(&connection, &plan(&settings))).await.unwrap(), Vec::<String>::new());
    assert_eq!(found(&connection, &plan(&settings)).await["exchange task.exchange"].0, "right");
    let (client, mut tasks) = tasks(&vhost, &settings).await;
    let publisher = Publisher::new(&client);
    publisher.task("echo", &json!({})).await.unwrap();
    assert_eq!(next_key(&mut tasks).await, "routing.task.run.echo");
    let lost = publisher.task("other", &json!({})).await.unwrap_err();
    assert!(matches!(&lost, PublishError::Unroutable { routing_key, .. } if routing_key == "routing.task.run.other"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_consume_tasks_can_do_without_it() {
    let vhost = Vhost::create();
    let connection = without_alternate(&vhost).await;
    let plan = [exchanges(&classic()), route(&process_order(), &classic())].concat();
    assert_eq!(found(&connection, &plan).await["exchange task.exchange"].0, "usable");
    let client = client("orders", &vhost, &classic()).await;
    client.declare(&plan).await.unwrap();
    let publisher = Publisher::new(&client);
    publisher.task("process", &json!({})).route(&process_order()).await.unwrap();
    assert_eq!(messages(&connection, "task.process.order").await, Some(1));
    let lost = publisher.task("echo", &json!({})).await.unwrap_err();
    assert!(matches!(lost, PublishError::Unroutable { .. }), "{lost}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_alternate_exchange_is_refused() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    let elsewhere = crate::table(&[("alternate-exchange", crate::text("elsewhere"))]);
    let channel = crate::channel(&connection).await;
    channel.exchange_declare("task.exchange".into(), ExchangeKind::Direct, durable(), elsewhere).await.unwrap();
    let error = within(apply(&connection, &plan(&classic()))).await.unwrap_err().to_string();
    assert!(error.contains("alternate-exchange is 'elsewhere' instead of 'task.unrouted.exchange'"), "{error}");
    assert_eq!(found(&connection, &plan(&classic())).await["exchange task.exchange"].0, format!("unusable: {error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_find_out_is_told_so() {
    let vhost = Vhost::create();
    without_alternate(&vhost).await;
    // Not what RabbitMQ names by itself: amq.gen-….
    rabbitmqctl(&["set_permissions", "-p", &vhost.name, &vhost.user(), "^[^a].*", ".*", ".*"]);
    let connection = connection(&vhost).await;
    let error = within(apply(&connection, &plan(&classic()))).await.unwrap_err().to_string();
    let expected =
        "RabbitMQ refuses to declare exchange task.exchange: whether it has an alternate exchange by a policy";
    assert!(error.starts_with(expected) && error.contains("amq.gen-"), "{error}");
    assert_eq!(found(&connection, &plan(&classic())).await["exchange task.exchange"].0[..10], *"unusable: ");
}
