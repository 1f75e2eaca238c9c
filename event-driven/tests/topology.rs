//! The topology on a real RabbitMQ: what exists already is never deleted, and used where that is safe; a check says how
//! things stand and changes nothing; and what is declared does what the contract says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "topology/alternate.rs"]
mod alternate;
#[path = "topology/checks.rs"]
mod checks;
#[path = "topology/existing.rs"]
mod existing;
#[path = "topology/limits.rs"]
mod limits;
#[path = "support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, unreachable_pub, reason = "a test may cut; other tests share it")]
mod vhost;

use std::{collections::BTreeMap, time::Duration};

use event_driven::{
    client::{Client, ClientSettings},
    connection::{ConnectionSettings, connect},
    lapin::{
        Channel, Connection, ExchangeKind,
        options::{ExchangeDeclareOptions, QueueDeclareOptions},
        types::{AMQPValue, FieldTable},
    },
    names::{Action, Entity, EventKey, EventType, Service, Subscription, TaskRoute},
    topology::{Declaration, Finding, QueueType, State, TopologySettings, check},
};
use vhost::Vhost;

/// Nothing here takes so long unless it is broken.
const LONG: Duration = Duration::from_secs(120);

async fn connection(vhost: &Vhost) -> Connection {
    let settings = ConnectionSettings { address: vhost.address(), name: "test".to_owned(), timeout: LONG };
    connect(&settings).await.unwrap()
}

async fn channel(connection: &Connection) -> Channel {
    connection.create_channel().await.unwrap()
}

/// The settings of a service with this topology.
fn service(name: &str, vhost: &Vhost, topology: TopologySettings) -> ClientSettings {
    ClientSettings {
        connect_timeout: LONG,
        topology,
        ..ClientSettings::new(Service::new(name).unwrap(), vhost.address())
    }
}

/// A service's client with the exchanges.
async fn client(name: &str, vhost: &Vhost, topology: &TopologySettings) -> Client {
    Client::connect(service(name, vhost, topology.clone())).await.unwrap()
}

fn classic() -> TopologySettings {
    TopologySettings { queue_type: QueueType::Classic, ..TopologySettings::default() }
}

fn user_created() -> EventKey {
    EventKey { event_type: EventType::Create, entity: Entity::new("user").unwrap() }
}

fn subscription_of(service: &str) -> Subscription {
    Subscription { event: user_created(), service: Service::new(service).unwrap() }
}

fn process_order() -> TaskRoute {
    TaskRoute { action: Action::new("process").unwrap(), entity: Entity::new("order").unwrap() }
}

/// An exchange as others declare it.
async fn exchange(connection: &Connection, name: &str, kind: ExchangeKind, options: ExchangeDeclareOptions) {
    let declared = channel(connection).await.exchange_declare(name.into(), kind, options, FieldTable::default()).await;
    declared.unwrap();
}

fn durable() -> ExchangeDeclareOptions {
    ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() }
}

/// A durable queue as others declare it.
async fn queue(connection: &Connection, name: &str, arguments: &[(&str, AMQPValue)]) {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel(connection).await.queue_declare(name.into(), options, table(arguments)).await.unwrap();
}

fn table(arguments: &[(&str, AMQPValue)]) -> FieldTable {
    let arguments = arguments.iter().map(|(name, value)| ((*name).into(), value.clone()));
    FieldTable::from(arguments.collect::<BTreeMap<_, _>>())
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Messages in a queue; `None` if there is no such queue.
async fn messages(connection: &Connection, queue: &str) -> Option<u32> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel(connection).await.queue_declare(queue.into(), passive, FieldTable::default()).await;
    found.ok().map(|found| found.message_count())
}

/// What a check finds, by the thing: its state in a word, and the differences.
async fn found(connection: &Connection, plan: &[Declaration]) -> BTreeMap<String, (String, Vec<String>)> {
    let findings = within(check(connection, plan)).await.unwrap();
    assert_eq!(findings.len(), plan.len());
    let found = |finding: Finding| {
        let differences = finding.differences.iter().map(ToString::to_string).collect();
        (finding.declaration.thing(), (word(&finding.state), differences))
    };
    findings.into_iter().map(found).collect()
}

fn word(state: &State) -> String {
    match state {
        State::Right => "right".to_owned(),
        State::Usable => "usable".to_owned(),
        State::Missing => "missing".to_owned(),
        State::Unusable(error) => format!("unusable: {error}"),
        State::Untold(reason) => format!("untold: {reason}"),
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it takes too long")
}
