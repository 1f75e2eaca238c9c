//! Sends a million events through a subscriber and watches this process's memory: it must not grow with their number.
//!
//! `RABBITMQ_URL=… cargo run --release -p event-driven --example million -- [EVENTS]`, or `make bench-events`. Linux only: it
//! reads /proc/self/status.

use std::{
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
    names::{Entity, EventKey, EventType},
    publisher::{PublishError, Publisher},
    subscriber::{Delivery, HandlerError, SubscriberSettings},
};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Notify;

#[derive(Deserialize)]
struct User {
    user_id: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args().nth(1).map_or(Ok(1_000_000), |count| count.parse())?;
    let address = std::env::var("RABBITMQ_URL")?.parse()?;
    let client = Client::connect(ClientSettings::new("million".parse()?, address)).await?;
    let key = EventKey { event_type: EventType::Create, entity: Entity::new("user")? };
    let (handled, done, sum) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (handled, done, sum) = (Arc::clone(&handled), Arc::clone(&done), Arc::clone(&sum));
        move |user: User, _: &Delivery| {
            sum.fetch_add(user.user_id, Ordering::Relaxed);
            if handled.fetch_add(1, Ordering::Relaxed) + 1 == count {
                done.notify_one();
            }
            async { Ok::<(), HandlerError>(()) }
        }
    };
    let prefetch = const { NonZeroU16::new(1_000).expect("not 0") };
    let settings = SubscriberSettings { concurrency: 64, prefetch, ..SubscriberSettings::default() };
    client.subscribe_with(key.clone(), &settings, handler).await?;
    let (start, publisher) = (Instant::now(), Publisher::new(&client));
    let publish = |n| {
        let (publisher, key) = (&publisher, &key);
        async move {
            // The queue holds 10,000: a publisher that is faster than the subscriber is told so, and tries again.
            while let Err(error) = publisher.event_of(key, &json!({ "user_id": n })).await {
                if !matches!(error, PublishError::Nacked { .. }) {
                    return Err(error);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        }
    };
    let mut publishing = futures_util::stream::iter(0..count).map(publish).buffer_unordered(1_000);
    let mut published = 0_usize;
    while let Some(result) = publishing.next().await {
        result?;
        published += 1;
        if published.is_multiple_of(count.div_ceil(10)) {
            println!("{published:>9} published, {:>9} handled, {} kB", handled.load(Ordering::Relaxed), memory()?);
        }
    }
    done.notified().await;
    let rate = count as f64 / start.elapsed().as_secs_f64();
    println!("{count} events published and handled, {rate:.0} a second; {} kB, at most {} kB", memory()?, peak()?);
    assert_eq!(sum.load(Ordering::Relaxed), count * (count - 1) / 2, "each was handled once");
    client.close(Duration::from_secs(5)).await;
    Ok(())
}

/// Resident memory now, in kB.
fn memory() -> Result<u64, Box<dyn Error>> {
    status("VmRSS:")
}

/// The most there was, in kB.
fn peak() -> Result<u64, Box<dyn Error>> {
    status("VmHWM:")
}

fn status(field: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
