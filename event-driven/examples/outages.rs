//! Publishes events while RabbitMQ is killed again and again, and counts: each that was confirmed must have arrived.
//!
//! `RABBITMQ_URL=… cargo run --release -p event-driven --example outages -- COMMAND [EVENTS] [KILLS]`, where COMMAND kills
//! RabbitMQ and starts it again; `make bench-events` runs it on a node of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use event_driven::{
    client::{Client, ClientSettings},
    connection::{ConnectionSettings, connect},
    lapin::options::BasicGetOptions,
    names::{Entity, EventKey, EventType, Subscription},
    publisher::{PublishError, Publisher, PublisherSettings},
    topology::{self, TopologySettings},
};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::Semaphore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let kill = arguments.next().ok_or("usage: outages COMMAND [EVENTS] [KILLS]")?;
    let count: usize = arguments.next().map_or(Ok(50_000), |count| count.parse())?;
    let kills: usize = arguments.next().map_or(Ok(10), |kills| kills.parse())?;
    let settings = ClientSettings {
        topology: TopologySettings { queue_max_messages: u32::MAX, ..TopologySettings::default() },
        publisher: PublisherSettings { patience: Duration::from_secs(120), ..PublisherSettings::default() },
        ..ClientSettings::new("outages".parse()?, std::env::var("RABBITMQ_URL")?.parse()?)
    };
    let client = Client::connect(settings).await?;
    let key = EventKey { event_type: EventType::Create, entity: Entity::new("user")? };
    let of = Subscription { event: key.clone(), service: client.settings().service.clone() };
    client.declare(&topology::subscription(&of, &client.settings().topology)).await?;
    let (start, publisher, confirmed) = (Instant::now(), Publisher::new(&client), AtomicUsize::new(0));
    // As many events as may be published by now.
    let (go, step) = (Semaphore::new(0), count.div_ceil(kills + 1));
    let publish = |n: usize| {
        let (publisher, key, confirmed, go) = (&publisher, &key, &confirmed, &go);
        async move {
            go.acquire().await.expect("it is never closed").forget();
            let result = publisher.event_of(key, &json!({ "n": n })).message_id(n.to_string()).await;
            confirmed.fetch_add(usize::from(result.is_ok()), Ordering::Relaxed);
            (n, result)
        }
    };
    let publishing = async {
        let stream = futures_util::stream::iter(0..count).map(publish).buffer_unordered(500);
        stream.collect::<Vec<(usize, Result<(), PublishError>)>>().await
    };
    let killing = async {
        for n in 1..=kills {
            go.add_permits(step);
            // In the middle of them.
            while confirmed.load(Ordering::Relaxed) < step * n - step / 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let killed = tokio::process::Command::new("sh").args(["-c", &kill]).status().await;
            println!("killed and back, {} confirmed: {killed:?}", confirmed.load(Ordering::Relaxed));
        }
        go.add_permits(count);
    };
    let (results, ()) = tokio::join!(publishing, killing);
    let took = start.elapsed();
    let mut errors = BTreeMap::<String, usize>::new();
    for error in results.iter().filter_map(|(_, result)| result.as_ref().err()) {
        *errors.entry(error.to_string()).or_default() += 1;
    }
    let arrived = arrived(&client, &of.queue()).await?;
    let sent = results.len();
    let confirmed: BTreeSet<usize> = results.into_iter().filter(|(_, result)| result.is_ok()).map(|(n, _)| n).collect();
    let distinct: BTreeSet<usize> = arrived.iter().copied().collect();
    let lost = confirmed.difference(&distinct).count();
    println!(
        "{sent} events, {kills} kills, {took:.1?}: {} confirmed, {} distinct arrived, {} of them twice or more, {lost} \
         confirmed and lost; errors: {errors:?}",
        confirmed.len(),
        distinct.len(),
        arrived.len() - distinct.len()
    );
    client.close(Duration::from_secs(5)).await;
    if lost > 0 { Err("events were lost".into()) } else { Ok(()) }
}

/// The numbers of all events in the queue.
async fn arrived(client: &Client, queue: &str) -> Result<Vec<usize>, Box<dyn Error>> {
    let address = client.settings().address.clone();
    let settings = ConnectionSettings { address, name: "counting".to_owned(), timeout: Duration::from_secs(10) };
    let connection = connect(&settings).await?;
    let channel = connection.create_channel().await?;
    let mut arrived = Vec::new();
    while let Some(message) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await? {
        let id = message.properties.message_id().as_ref().ok_or("an event without its id")?;
        arrived.push(id.as_str().parse()?);
    }
    Ok(arrived)
}
