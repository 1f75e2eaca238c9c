//! What exists already is never deleted: it is used where that is safe and refused with a clear error where not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/broker_fixture.rs"]
mod fixture;
#[path = "../../event-driven/tests/support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::time::Duration;

use event_driven::{
    connection::{ConnectionSettings, connect},
    lapin::{
        Connection, ExchangeKind,
        options::{ExchangeDeclareOptions, QueueDeclareOptions},
        types::{AMQPValue, FieldTable},
    },
    topology::{QueueType, TopologyError, TopologySettings, apply, plan},
};
use fixture::{Kind, config, headers, next, nothing};
use vhost::{Vhost, rabbitmqctl};
use warren::broker::{Broker, Queue};

async fn connection(vhost: &Vhost) -> Connection {
    let settings =
        ConnectionSettings { address: vhost.address(), name: "test".to_owned(), timeout: Duration::from_secs(10) };
    connect(&settings).await.unwrap()
}

async fn exchange(connection: &Connection, name: &str, kind: ExchangeKind, durable: bool) {
    let channel = connection.create_channel().await.unwrap();
    let options = ExchangeDeclareOptions { durable, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await.unwrap();
}

async fn queue(connection: &Connection, name: &str, arguments: &[(&str, AMQPValue)]) {
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), options, headers(arguments)).await.unwrap();
}

fn settings() -> TopologySettings {
    TopologySettings { queue_type: QueueType::Classic, ..TopologySettings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn applied_twice_it_is_the_same() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    for queue_type in [QueueType::Quorum, QueueType::Quorum] {
        let plan = plan(&TopologySettings { queue_type, ..TopologySettings::default() });
        assert_eq!(apply(&connection, &plan).await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_argument_that_differs_is_named_and_used_as_it_stands() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    exchange(&connection, "event.exchange", ExchangeKind::Topic, false).await;
    queue(&connection, "tasks", &[("x-max-length", AMQPValue::LongInt(5))]).await;
    let own = [
        ("x-message-ttl", AMQPValue::LongInt(77)),
        ("x-dead-letter-exchange", AMQPValue::LongString("".into())),
        ("x-dead-letter-routing-key", AMQPValue::LongString("tasks".into())),
    ];
    queue(&connection, "attempt.1.tasks", &own).await;
    let differences = apply(&connection, &plan(&TopologySettings::default())).await.unwrap();
    for expected in [
        "exchange event.exchange exists already, but durable is 'false' instead of 'true'",
        "queue tasks exists already, but x-max-length is '5' instead of none",
        "queue tasks exists already, but x-dead-letter-exchange is none instead of 'dead.task.exchange'",
        "queue tasks exists already, but x-dead-letter-routing-key is none instead of 'dead.tasks'",
        "queue attempt.1.tasks exists already, but x-message-ttl is '77' instead of '6000'",
    ] {
        assert!(differences.iter().any(|found| found == expected), "{expected} is not in {differences:#?}");
    }
    // And it works.
    let broker = Broker::connect(config(Kind::Quorum, &vhost.url())).await.unwrap();
    let mut tasks = broker.consume(Queue::Tasks);
    nothing(&mut tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_of_another_type_is_refused() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    exchange(&connection, "dead.task.exchange", ExchangeKind::Topic, true).await;
    let error = apply(&connection, &plan(&settings())).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "exchange dead.task.exchange exists already, but type is 'topic' instead of 'direct', and so it can't be used: it \
         would route messages to other queues than they are meant for; delete or rename it, or change who declares it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_queue_that_leads_nowhere_is_refused() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    queue(&connection, "attempt.0.tasks", &[("x-message-ttl", AMQPValue::LongInt(3_000))]).await;
    let error = apply(&connection, &plan(&settings())).await.unwrap_err();
    assert!(error.to_string().contains("messages would not come back from it into the queue of tasks"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_exchange_without_alternate_is_refused_until_a_policy_adds_it() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    exchange(&connection, "task.exchange", ExchangeKind::Direct, true).await;
    let error = apply(&connection, &plan(&settings())).await.unwrap_err();
    let TopologyError::NoAlternateExchange { command } = &error else { panic!("{error}") };
    let expected = format!(
        r#"rabbitmqctl set_policy -p '{}' task-unrouted '^task\.exchange$' '{{"alternate-exchange":"task.unrouted.exchange"}}' --apply-to exchanges"#,
        vhost.name
    );
    assert_eq!(*command, expected);
    // What the message tells to do, as a shell does it.
    let words: Vec<&str> = command.split_whitespace().skip(1).map(|word| word.trim_matches('\'')).collect();
    rabbitmqctl(&words);
    let broker = Broker::connect(config(Kind::Classic, &vhost.url())).await.unwrap();
    let again = Broker::connect(config(Kind::Classic, &vhost.url())).await.unwrap();
    let mut tasks = broker.consume(Queue::Tasks);
    // The probe of the second is no task.
    nothing(&mut tasks).await;
    let task = warren::broker::Publish {
        target: warren::broker::Target::Task("k".to_owned()),
        properties: fixture::properties(),
        body: "1".into(),
    };
    again.publish(task).await.unwrap();
    assert_eq!(fixture::body(&next(&mut tasks).await), "1");
}
