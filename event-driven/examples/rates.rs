//! Measures this crate against bare lapin, in one run: events published with confirms, and events handled and acked.
//!
//! `RABBITMQ_URL=… cargo run --release -p event-driven --example rates -- [EVENTS] [ROUNDS]`, or `make bench-events`, which
//! makes a virtual host for it. The four are measured in turn, so that a noisy machine is noisy for all.

use std::{
    collections::BTreeMap,
    error::Error,
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use event_driven::{
    client::{Client, ClientSettings},
    connection::{ConnectionSettings, connect},
    lapin::{
        BasicProperties, Channel,
        options::{
            BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
            QueuePurgeOptions,
        },
        types::FieldTable,
    },
    names::{EVENT_EXCHANGE, Entity, EventKey, EventType, Subscription},
    publisher::{Publisher, PublisherSettings},
    subscriber::{Delivery, HandlerError, SubscriberSettings},
    topology::{self, TopologySettings},
};
use futures_util::{StreamExt, future::join_all};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Messages on their way at once, and the prefetch.
const WINDOW: usize = 1_000;

#[derive(Debug, Serialize, Deserialize)]
struct User {
    user_id: usize,
    username: String,
    email: String,
}

fn user(user_id: usize) -> User {
    User { user_id, username: format!("user{user_id}"), email: format!("user{user_id}@example.com") }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().map_or(Ok(50_000), |count| count.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(3), |rounds| rounds.parse())?;
    let bench = Bench::new(count).await?;
    let mut rates: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        rates.entry("1 publish, bare lapin").or_default().push(bench.publish_bare().await?);
        rates.entry("3 handle, bare lapin, each acked").or_default().push(bench.handle_bare(false).await?);
        rates.entry("2 publish, event-driven").or_default().push(bench.publish_ours().await?);
        rates.entry("4 handle, bare lapin, acked by the hundred").or_default().push(bench.handle_bare(true).await?);
        bench.publish_bare().await?;
        rates.entry("5 handle, event-driven").or_default().push(bench.handle_ours().await?);
    }
    println!("{count} events, {rounds} rounds; events per second: least, middle, most");
    for (what, mut rates) in rates {
        rates.sort_by(f64::total_cmp);
        let at = |n: usize| rates.get(n).copied().unwrap_or_default();
        println!("{:45} {:9.0} {:9.0} {:9.0}", what, at(0), at(rates.len() / 2), at(rates.len().saturating_sub(1)));
    }
    bench.client.close(Duration::from_secs(5)).await;
    Ok(())
}

struct Bench {
    count: usize,
    client: Client,
    bare: Channel,
    _connection: event_driven::lapin::Connection,
    key: EventKey,
    queue: String,
}

impl Bench {
    async fn new(count: usize) -> Result<Self> {
        let address = std::env::var("RABBITMQ_URL")?.parse()?;
        let settings = ClientSettings {
            topology: TopologySettings { queue_max_messages: u32::MAX, ..TopologySettings::default() },
            publisher: PublisherSettings { buffer: WINDOW, ..PublisherSettings::default() },
            ..ClientSettings::new("bench".parse()?, address)
        };
        let address = settings.address.clone();
        let client = Client::connect(settings).await?;
        let key = EventKey { event_type: EventType::Create, entity: Entity::new("user")? };
        let of = Subscription { event: key.clone(), service: client.settings().service.clone() };
        client.declare(&topology::subscription(&of, &client.settings().topology)).await?;
        let settings = ConnectionSettings { address, name: "bare".to_owned(), timeout: Duration::from_secs(5) };
        let connection = connect(&settings).await?;
        let bare = connection.create_channel().await?;
        bare.confirm_select(ConfirmSelectOptions::default()).await?;
        bare.basic_qos(WINDOW.try_into()?, BasicQosOptions::default()).await?;
        Ok(Self { count, client, bare, _connection: connection, key, queue: of.queue() })
    }

    fn rate(&self, since: Instant) -> f64 {
        self.count as f64 / since.elapsed().as_secs_f64()
    }

    async fn purge(&self) -> Result<()> {
        self.bare.queue_purge(self.queue.as_str().into(), QueuePurgeOptions::default()).await?;
        Ok(())
    }

    /// As one would write it with lapin: a window of messages, then all their confirms.
    async fn publish_bare(&self) -> Result<f64> {
        self.purge().await?;
        let (start, key) = (Instant::now(), self.key.routing_key());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        for first in (0..self.count).step_by(WINDOW) {
            let sending = (first..self.count.min(first + WINDOW)).map(|n| {
                let properties = BasicProperties::default()
                    .with_app_id("bench".into())
                    .with_correlation_id(n.to_string().into())
                    .with_message_id(n.to_string().into())
                    .with_content_type("application/json".into())
                    .with_delivery_mode(2);
                let (exchange, key) = (EVENT_EXCHANGE.into(), key.as_str().into());
                async move {
                    let body = serde_json::to_vec(&user(n)).unwrap_or_default();
                    self.bare.basic_publish(exchange, key, options, &body, properties).await
                }
            });
            for confirm in join_all(sending).await {
                assert!(confirm?.await?.is_ack(), "it was nacked");
            }
        }
        Ok(self.rate(start))
    }

    async fn publish_ours(&self) -> Result<f64> {
        self.purge().await?;
        let (start, publisher) = (Instant::now(), Publisher::new(&self.client));
        let publish = |n| {
            let publisher = &publisher;
            async move { publisher.event_of(&self.key, &user(n)).await }
        };
        let mut publishing = futures_util::stream::iter(0..self.count).map(publish).buffer_unordered(WINDOW);
        while let Some(published) = publishing.next().await {
            published?;
        }
        Ok(self.rate(start))
    }

    /// As one would write it with lapin.
    async fn handle_bare(&self, by_the_hundred: bool) -> Result<f64> {
        let start = Instant::now();
        let options = BasicConsumeOptions::default();
        let mut consumer =
            self.bare.basic_consume(self.queue.as_str().into(), "bare".into(), options, FieldTable::default()).await?;
        for n in 1..=self.count {
            let delivery = consumer.next().await.ok_or("no more deliveries")??;
            let user: User = serde_json::from_slice(&delivery.data)?;
            std::hint::black_box(user);
            if !by_the_hundred {
                delivery.ack(BasicAckOptions::default()).await?;
            } else if n % 100 == 0 || n == self.count {
                delivery.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
        let rate = self.rate(start);
        self.bare.basic_cancel("bare".into(), Default::default()).await?;
        Ok(rate)
    }

    async fn handle_ours(&self) -> Result<f64> {
        let (start, handled, done) = (Instant::now(), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (count, all) = (self.count, Arc::clone(&done));
        let handler = move |user: User, _: &Delivery| {
            std::hint::black_box(user);
            if handled.fetch_add(1, Ordering::Relaxed) + 1 == count {
                all.notify_one();
            }
            async { Ok::<(), HandlerError>(()) }
        };
        let prefetch = NonZeroU16::try_from(u16::try_from(WINDOW)?)?;
        let settings = SubscriberSettings { concurrency: 64, prefetch, ..SubscriberSettings::default() };
        let subscriber = self.client.subscribe_with(self.key.clone(), &settings, handler).await?;
        done.notified().await;
        subscriber.stop().await;
        Ok(self.rate(start))
    }
}
