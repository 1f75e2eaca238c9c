//! A service that writes orders and their events, and another one that hears of them.

use std::{collections::BTreeMap, num::NonZeroU16, time::Duration};

use event_driven::{
    client::{Client, ClientSettings, Deliveries, RawDelivery, Settlement, Source},
    connection::Address,
    entity::{Event, EventObject},
    names::{EventKey, EventType, Service, Subscription},
    outbox::{Relay, RelayHandle, RelaySettings},
    publisher::Publisher,
    topology::{self, QueueType},
};
use schemars::JsonSchema;
use sea_orm::{DatabaseConnection, TransactionTrait};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Nothing here takes so long unless it is broken.
pub const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    pub id: u64,
    pub n: u64,
}

impl EventObject for Order {
    const ENTITY: &'static str = "order";
}

impl Event for Order {
    type Of = Self;
    const TYPE: EventType = EventType::Create;

    fn entity_key(&self) -> Option<String> {
        Some(self.id.to_string())
    }
}

pub fn key(event_type: EventType) -> EventKey {
    Order::event_key(event_type)
}

pub fn settings(name: &str, address: Address) -> ClientSettings {
    let mut settings = ClientSettings::new(Service::new(name).unwrap(), address);
    settings.topology.queue_type = QueueType::Classic;
    settings.connect_timeout = Duration::from_secs(30);
    settings
}

pub async fn publisher(address: Address) -> Publisher {
    Publisher::new(&Client::connect(settings("shop", address)).await.unwrap())
}

/// The n-th event of an order, in a transaction of its own.
pub async fn write(db: &DatabaseConnection, publisher: &Publisher, order: u64, n: u64) {
    let transaction = db.begin().await.unwrap();
    let payload = json!({ "id": order, "n": n });
    let draft = publisher.in_transaction(&transaction).event_of(&key(EventType::Update), &payload);
    draft.entity_key(order.to_string()).await.unwrap();
    transaction.commit().await.unwrap();
}

pub fn relay(db: &DatabaseConnection, publisher: &Publisher) -> RelayHandle {
    Relay::new(db, publisher, RelaySettings { first_retry: Duration::from_millis(50), ..RelaySettings::default() })
        .start()
}

/// The service that hears of it.
pub struct Listener {
    client: Client,
    deliveries: Deliveries,
}

/// What arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub message_id: String,
    pub order: u64,
    pub n: u64,
}

impl Listener {
    /// Hears of events of one type.
    pub async fn start(address: Address, event_type: EventType) -> Self {
        let client = Client::connect(settings("listener", address)).await.unwrap();
        let deliveries = Self::consume(&client, event_type).await;
        Self { client, deliveries }
    }

    async fn consume(client: &Client, event_type: EventType) -> Deliveries {
        let service = Service::new("listener").unwrap();
        let subscription = Subscription { event: key(event_type), service };
        client.declare(&topology::subscription(&subscription, &client.settings().topology)).await.unwrap();
        client.consume(Source::subscription(&subscription, 0, NonZeroU16::new(512).unwrap()))
    }

    /// Hears of events of another type, too.
    pub async fn and(&self, event_type: EventType) -> Self {
        Self { client: self.client.clone(), deliveries: Self::consume(&self.client, event_type).await }
    }

    pub async fn delivery(&mut self) -> RawDelivery {
        let delivery = tokio::time::timeout(LONG, self.deliveries.recv()).await;
        delivery.expect("an event arrives").expect("the client is open")
    }

    pub async fn next(&mut self) -> Arrived {
        let delivery = self.delivery().await;
        let Order { id, n } = serde_json::from_slice(&delivery.body).unwrap();
        let message_id = delivery.properties.message_id().as_ref().unwrap().to_string();
        delivery.settle(Settlement::Ack);
        Arrived { message_id, order: id, n }
    }

    /// Whether nothing more has arrived until an event of another order, published now and directly, has.
    pub async fn nothing_before(&mut self, publisher: &Publisher) {
        let last = Order { id: u64::MAX, n: 0 };
        publisher.event_of(&key(EventType::Update), &last).await.unwrap();
        let arrived = self.next().await;
        assert_eq!(arrived.order, last.id, "{arrived:?}");
    }
}

/// What has arrived so far, checked as it comes: the first arrivals of an order are in order, and what comes again is the
/// same message.
#[derive(Default)]
pub struct Story {
    orders: BTreeMap<u64, Vec<String>>,
    pub duplicates: usize,
}

impl Story {
    pub fn tell(&mut self, arrived: &Arrived) {
        let known = self.orders.entry(arrived.order).or_default();
        let n = usize::try_from(arrived.n).unwrap();
        match known.get(n) {
            Some(message_id) => {
                assert_eq!(message_id, &arrived.message_id, "event {n} of order {} has two ids", arrived.order);
                self.duplicates += 1;
            }
            None => {
                assert_eq!(known.len(), n, "event {n} of order {} overtook others", arrived.order);
                known.push(arrived.message_id.clone());
            }
        }
    }

    /// How many different events have arrived.
    pub fn len(&self) -> usize {
        self.orders.values().map(Vec::len).sum()
    }
}
