//! The service's broker on what others declared first. What can be used as it stands, and what not, is tested with
//! `event-driven`; here, that the service then works or does not start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/broker_fixture.rs"]
mod fixture;
#[path = "../../event-driven/tests/support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use event_driven::{
    client::StartError,
    lapin::{
        Connection, ExchangeKind,
        options::{ExchangeDeclareOptions, QueueDeclareOptions},
        types::AMQPValue,
    },
    topology::TopologyError,
};
use fixture::{Kind, LONG, config, headers, next, nothing, properties};
use vhost::{Vhost, rabbitmqctl};
use warren::broker::{Broker, Deliveries, Publish, Queue, Target};

async fn connection(vhost: &Vhost) -> Connection {
    let settings = event_driven::connection::ConnectionSettings {
        address: vhost.address(),
        name: "test".to_owned(),
        timeout: LONG,
    };
    event_driven::connection::connect(&settings).await.unwrap()
}

/// An exchange that others declared, without arguments.
async fn exchange(connection: &Connection, name: &str, kind: ExchangeKind, durable: bool) {
    let channel = connection.create_channel().await.unwrap();
    let options = ExchangeDeclareOptions { durable, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(name.into(), kind, options, headers(&[])).await.unwrap();
}

/// That a task which is published arrives, and nothing before it.
async fn works(broker: &Broker, tasks: &mut Deliveries) {
    let task = Publish { target: Target::Task("k".to_owned()), properties: properties(), body: "1".into() };
    broker.publish(task).await.unwrap();
    assert_eq!(fixture::body(&next(tasks).await), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_on_queues_and_exchanges_that_differ() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    exchange(&connection, "event.exchange", ExchangeKind::Topic, false).await;
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let refuse = AMQPValue::LongString("reject-publish".into());
    let own = headers(&[("x-max-length", AMQPValue::LongInt(5)), ("x-overflow", refuse)]);
    channel.queue_declare("tasks".into(), options, own).await.unwrap();
    let broker = Broker::connect(config(Kind::Quorum, &vhost.url())).await.unwrap();
    let mut tasks = broker.consume(Queue::Tasks);
    works(&broker, &mut tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_alternate_exchange_it_does_not_start_until_a_policy_adds_it() {
    let vhost = Vhost::create();
    exchange(&connection(&vhost).await, "task.exchange", ExchangeKind::Direct, true).await;
    let error = Broker::connect(config(Kind::Classic, &vhost.url())).await.unwrap_err();
    let StartError::Topology(TopologyError::NoAlternateExchange { command }) = &error else { panic!("{error}") };
    // What the message tells to do, as a shell does it.
    let words: Vec<&str> = command.split_whitespace().skip(1).map(|word| word.trim_matches('\'')).collect();
    rabbitmqctl(&words);
    let broker = Broker::connect(config(Kind::Classic, &vhost.url())).await.unwrap();
    let again = Broker::connect(config(Kind::Classic, &vhost.url())).await.unwrap();
    let mut tasks = broker.consume(Queue::Tasks);
    // The probe of the second is no task.
    nothing(&mut tasks).await;
    works(&again, &mut tasks).await;
}
