//! The prefetch is changed while a queue is consumed: nothing is lost, doubled or held beyond it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "modules that several tests share")]

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/seed.rs"]
mod seed;
#[path = "support/service.rs"]
mod service;
#[path = "support/vhost.rs"]
#[allow(clippy::cast_possible_truncation, reason = "a test may cut")]
mod vhost;

use std::{collections::BTreeSet, num::NonZeroU16, time::Duration};

use event_driven::{
    client::{Client, Deliveries, Health, RawDelivery, Settlement, Source},
    lapin::{options::QueueDeclareOptions, types::AMQPValue},
    publisher::{Publication, Publisher},
};
use proxy::Proxy;
use seed::Seed;
use service::{LONG, channel, depth, settings, within};
use vhost::Vhost;

const MOST: u16 = 200;

/// Declares a queue `q` of that type; the source that consumes it by so many channels.
async fn queue(vhost: &Vhost, queue_type: &str, channels: u16) -> Source {
    let (_connection, channel) = channel(vhost).await;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let arguments = [("x-queue-type".into(), AMQPValue::LongString(queue_type.into()))];
    let arguments = std::collections::BTreeMap::from(arguments).into();
    channel.queue_declare("q".into(), durable, arguments).await.unwrap();
    Source {
        queue: "q".to_owned(),
        retry_queues: Vec::new(),
        dead_exchange: String::new(),
        dead_key: "dead".to_owned(),
        prefetch: NonZeroU16::new(MOST).unwrap(),
        channels: NonZeroU16::new(channels).unwrap(),
    }
}

async fn publish(client: &Client, ids: std::ops::Range<u32>) {
    let messages = ids.map(|id| Publication::new("", "q", Default::default(), id.to_string().into()));
    for published in Publisher::new(client).publish_all(messages).await {
        published.unwrap();
    }
}

fn id(delivery: &RawDelivery) -> u32 {
    std::str::from_utf8(&delivery.body).unwrap().parse().unwrap()
}

/// Takes what comes until so many are held and there is nothing more for a while: the one place where time must pass.
async fn until_quiet(deliveries: &mut Deliveries, held: &mut Vec<RawDelivery>, holds: usize) {
    while held.len() < holds {
        held.push(within(deliveries.recv()).await.unwrap());
    }
    while let Ok(delivery) = tokio::time::timeout(Duration::from_millis(300), deliveries.recv()).await {
        held.push(delivery.unwrap());
    }
}

async fn changes_under_load_lose_and_double_nothing(queue_type: &str) {
    const COUNT: u32 = 6_000;
    let (vhost, mut seed) = (Vhost::create(), Seed::new());
    let source = queue(&vhost, queue_type, 3).await;
    let client = Client::connect(settings("billing", &vhost.url())).await.unwrap();
    let mut deliveries = client.consume_from(source, NonZeroU16::new(4).unwrap());
    let (prefetch, publisher) = (deliveries.prefetch(), client.clone());
    let publishing = tokio::spawn(async move { publish(&publisher, 0..COUNT).await });
    let (mut seen, mut held) = (BTreeSet::new(), Vec::new());
    while seen.len() < COUNT as usize {
        // Some are kept for long; all of them once that is all there is.
        while held.len() > seed.below(usize::from(prefetch.get()).min(50)) {
            let one: RawDelivery = held.swap_remove(seed.below(held.len()));
            one.settle(Settlement::Ack);
        }
        let delivery = within(deliveries.recv()).await.unwrap();
        assert!(seen.insert(id(&delivery)), "{} came twice", id(&delivery));
        // A quorum queue takes back what is on its way to a consumer that is being cancelled, and delivers it to the others.
        assert!(!delivery.redelivered || queue_type == "quorum");
        held.push(delivery);
        assert!(held.len() <= usize::from(MOST));
        if seed.below(60) == 0 {
            prefetch.set(seed.pick(&[1, 2, 7, 40, 41, 120, MOST]));
        }
    }
    publishing.await.unwrap();
    held.into_iter().for_each(|delivery| delivery.settle(Settlement::Ack));
    assert!(client.close(LONG).await);
    let (_connection, channel) = channel(&vhost).await;
    assert_eq!(depth(&channel, "q").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_under_load_lose_and_double_nothing_of_a_quorum_queue() {
    changes_under_load_lose_and_double_nothing("quorum").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_under_load_lose_and_double_nothing_of_a_classic_queue() {
    changes_under_load_lose_and_double_nothing("classic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_are_held_as_is_wanted_at_that_moment() {
    for queue_type in ["quorum", "classic"] {
        let vhost = Vhost::create();
        let source = queue(&vhost, queue_type, 1).await;
        let client = Client::connect(settings("billing", &vhost.url())).await.unwrap();
        let mut deliveries = client.consume_from(source, NonZeroU16::new(6).unwrap());
        let (prefetch, mut held) = (deliveries.prefetch(), Vec::new());
        publish(&client, 0..400).await;
        for (wanted, holds) in [(6, 6), (60, 60), (MOST, 200), (12, 200)] {
            prefetch.set(wanted);
            until_quiet(&mut deliveries, &mut held, holds).await;
            assert_eq!(held.len(), holds, "{queue_type} {wanted}");
        }
        // What is there stays, and nothing comes before enough of it is settled.
        for (keeps, holds) in [(12, 12), (6, 12), (0, 12)] {
            held.drain(keeps..).for_each(|delivery| delivery.settle(Settlement::Ack));
            until_quiet(&mut deliveries, &mut held, holds).await;
            assert_eq!(held.len(), holds, "{queue_type}, {keeps} were kept");
        }
        assert!(held.iter().all(|delivery| !delivery.redelivered));
        drop(held);
        assert!(client.close(LONG).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_cut_while_it_changes_lose_nothing() {
    const COUNT: u32 = 3_000;
    let (vhost, mut seed) = (Vhost::create(), Seed::new());
    let (source, proxy) = (queue(&vhost, "quorum", 3).await, Proxy::start(vhost.server()).await);
    let client = Client::connect(settings("billing", &vhost.url_by(proxy.port))).await.unwrap();
    let direct = Client::connect(settings("shop", &vhost.url())).await.unwrap();
    let mut deliveries = client.consume(source);
    let (prefetch, mut health) = (deliveries.prefetch(), client.health());
    publish(&direct, 0..COUNT).await;
    let (mut seen, mut cuts) = (BTreeSet::new(), 0);
    while seen.len() < COUNT as usize {
        let delivery = within(deliveries.recv()).await.unwrap();
        seen.insert(id(&delivery));
        delivery.settle(Settlement::Ack);
        if seed.below(30) == 0 {
            prefetch.set(seed.pick(&[1, 3, 30, MOST]));
        }
        if seen.len() / 500 > cuts {
            cuts += 1;
            proxy.cut();
        }
    }
    within(health.wait_for(|health| *health == Health::Connected)).await.unwrap();
    // What comes twice, since its ack was cut off.
    let (_connection, channel) = channel(&vhost).await;
    loop {
        while let Ok(again) = tokio::time::timeout(Duration::from_secs(2), deliveries.recv()).await {
            again.unwrap().settle(Settlement::Ack);
        }
        if depth(&channel, "q").await == 0 {
            break;
        }
    }
    assert!(client.close(LONG).await);
    assert_eq!(depth(&channel, "q").await, 0);
}
