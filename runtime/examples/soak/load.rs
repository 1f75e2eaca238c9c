//! The load: paced tasks with payloads of mixed size, one in a thousand of which fails at first and is tried again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use event_driven::publisher::Publisher;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};

use super::Result;

/// Most tasks that are published and not confirmed.
const IN_FLIGHT: usize = 512;

/// The sizes of payloads in bytes, each with how many in a thousand have it.
const SIZES: [(usize, usize); 5] = [(80, 900), (1024, 60), (8 * 1024, 30), (64 * 1024, 9), (256 * 1024, 1)];

/// Every n-th task fails once.
const FAILS_EACH: usize = 1000;

/// Publishes `count` tasks, evenly over `duration`, and counts them in `published`.
pub(crate) async fn publish(
    publisher: Publisher,
    count: usize,
    duration: Duration,
    published: Arc<AtomicUsize>,
) -> Result<()> {
    let payloads = SIZES.map(|(size, share)| (payload(size), share));
    let begin = Instant::now();
    stream::iter(0..count)
        .then(async |n| {
            // Before its time none goes out; those that are late follow without a pause.
            let share = n as f64 / count as f64;
            sleep_until(begin + duration.mul_f64(share)).await;
            Ok(n)
        })
        .try_for_each_concurrent(IN_FLIGHT, |n| {
            let (publisher, published) = (publisher.clone(), published.clone());
            let payload = payload_of(n, &payloads).to_owned();
            async move {
                let name = if n % FAILS_EACH == FAILS_EACH - 1 { "chaos_second" } else { "echo" };
                publisher.task(name, &payload).message_id(format!("soak-{n}")).await?;
                published.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        })
        .await
}

/// The payload of the n-th task: neighbours differ, and a thousand in a row have the shares above.
fn payload_of(n: usize, payloads: &[(Box<RawValue>, usize)]) -> &RawValue {
    // 389 and 1000 have no divisor in common.
    let mut thrown = n * 389 % 1000;
    let found = payloads.iter().find(|(_, share)| {
        let found = thrown < *share;
        thrown = thrown.saturating_sub(*share);
        found
    });
    &found.expect("the shares are a thousand in all").0
}

/// A JSON text of that many bytes.
fn payload(size: usize) -> Box<RawValue> {
    let text = "a payload of words that repeat, as those of most have, ".repeat(size / 50 + 1);
    let (start, end) = (r#"{"text": ""#, r#""}"#);
    let room = size - start.len() - end.len();
    RawValue::from_string(format!("{start}{}{end}", &text[..room])).expect("it is JSON")
}
