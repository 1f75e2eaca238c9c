//! The load: tasks of all kinds and events, published with confirms, and again if they were not confirmed.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use event_driven::{
    client::{Client, ClientSettings},
    lapin::{
        BasicProperties,
        types::{AMQPValue, FieldTable},
    },
    publisher::{Publication, Publisher, PublisherSettings},
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use uuid::Uuid;

use crate::{dice::Dice, kind::Kind};

const PRODUCER: &str = "chaos";

/// Every n-th task is followed by an event.
const EVENT_EACH: usize = 10;

/// How many of a hundred tasks are published twice on purpose.
const REPEATED_PERCENT: u64 = 3;

/// How many of a hundred of the others have no id.
const NAMELESS_PERCENT: u64 = 5;

/// A task that was published and confirmed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) n: usize,
    pub(crate) kind: Kind,
    pub(crate) repeated: bool,
    /// Without an id: told by its correlation id, and it may have more than one row.
    pub(crate) nameless: bool,
}

impl Sent {
    /// Its correlation id and own header, and the id of its message if that has one.
    pub(crate) fn name(&self) -> String {
        task_name(self.n)
    }

    /// How often it has to be executed at least.
    pub(crate) fn executions(&self) -> usize {
        if self.kind.is_executed() { self.kind.ending().attempt as usize + 1 } else { 0 }
    }

    /// The key of its row, if it has an id.
    pub(crate) fn id(&self) -> Uuid {
        let id = id_of(&self.name());
        match self.kind {
            // Kept apart from the task of that id, which may be a good one.
            Kind::NoJson | Kind::BadName => Uuid::new_v5(&id, b"malformed"),
            _ => id,
        }
    }
}

fn task_name(n: usize) -> String {
    format!("task-{n}")
}

fn event_name(n: usize) -> String {
    format!("event-{n}")
}

fn id_of(message_id: &str) -> Uuid {
    warren::lifecycle::id_of_message(&PRODUCER.parse().unwrap(), &message_id.parse().unwrap())
}

/// What is known of the load, shared with who publishes it.
#[derive(Default)]
pub(crate) struct Load {
    sent: Mutex<Vec<Sent>>,
    events: AtomicUsize,
    again: AtomicUsize,
    /// No more than is wanted at least.
    enough: AtomicBool,
}

impl Load {
    /// Publishes `per_second` tasks until it is told that it is enough, then at once what is missing to `at_least`.
    pub(crate) async fn publish(self: Arc<Self>, publisher: Publisher, seed: u64, per_second: u64, at_least: usize) {
        let mut pace = interval(Duration::from_secs(1) / u32::try_from(per_second).expect("a small number"));
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut publishing = JoinSet::new();
        for n in 0.. {
            if self.enough.load(Ordering::Relaxed) {
                if n >= at_least {
                    break;
                }
            } else {
                pace.tick().await;
            }
            publishing.spawn(self.clone().publish_nth(publisher.clone(), seed, n));
            while publishing.try_join_next().is_some() {}
        }
        publishing.join_all().await;
    }

    async fn publish_nth(self: Arc<Self>, publisher: Publisher, seed: u64, n: usize) {
        let mut dice = Dice::of(seed, n as u64);
        let kind = Kind::choose(&mut dice);
        let repeated = kind.may_be_repeated() && dice.chance(REPEATED_PERCENT);
        let nameless = kind.may_be_repeated() && !repeated && dice.chance(NAMELESS_PERCENT);
        let task = publication("task.exchange", "routing.task.run.chaos", &task_name(n), !nameless, kind.body());
        self.until_confirmed(&publisher, &task).await;
        if n.is_multiple_of(EVENT_EACH) {
            let body = format!(r#"{{"n": {n}}}"#);
            let event = publication("event.exchange", "routing.event.create.chaos", &event_name(n), true, body);
            self.until_confirmed(&publisher, &event).await;
            self.events.fetch_add(1, Ordering::Relaxed);
        }
        if repeated {
            tokio::time::sleep(Duration::from_millis(dice.between(0, 2000))).await;
            self.until_confirmed(&publisher, &task).await;
        }
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(Sent { n, kind, repeated, nameless });
    }

    async fn until_confirmed(&self, publisher: &Publisher, publication: &Publication) {
        while let Err(error) = publisher.publish(publication.clone()).await {
            self.again.fetch_add(1, Ordering::Relaxed);
            eprintln!("published again: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The load is over with what is wanted at least.
    pub(crate) fn is_enough(&self) {
        self.enough.store(true, Ordering::Relaxed);
    }

    /// Every task that was confirmed so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys of all events that were confirmed, if all that was begun is.
    pub(crate) fn events(&self) -> Vec<Uuid> {
        (0..self.events.load(Ordering::Relaxed)).map(|n| id_of(&event_name(n * EVENT_EACH))).collect()
    }

    /// How often something was published again because it was not confirmed in time.
    pub(crate) fn published_again(&self) -> usize {
        self.again.load(Ordering::Relaxed)
    }
}

/// A publisher straight to the server, past every proxy.
pub(crate) async fn publisher(url: &str) -> Publisher {
    let settings = ClientSettings {
        connect_timeout: Duration::from_secs(30),
        publisher: PublisherSettings { patience: Duration::from_secs(60), ..PublisherSettings::default() },
        ..ClientSettings::new(PRODUCER.parse().unwrap(), url.parse().unwrap())
    };
    Publisher::new(&Client::connect(settings).await.expect("the test's RabbitMQ is there"))
}

fn publication(exchange: &str, key: &str, name: &str, has_id: bool, body: String) -> Publication {
    let mut headers = FieldTable::default();
    headers.insert("producer_app".into(), AMQPValue::LongString(PRODUCER.into()));
    headers.insert("chaos".into(), AMQPValue::LongString(name.into()));
    let mut properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_app_id(PRODUCER.into())
        .with_correlation_id(name.into())
        .with_headers(headers);
    if has_id {
        properties = properties.with_message_id(name.into());
    }
    Publication::new(exchange, key, properties, Bytes::from(body))
}
