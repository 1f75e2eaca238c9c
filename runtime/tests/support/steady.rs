//! Tasks that come at a steady pace, for as long as a test needs them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::task::JoinSet;

use crate::stack::TestPublisher;

/// Publishes so many tasks a second until it is told to stop; `task` gives the component and the payload of the n-th, whose
/// message id is `m-n`. Gives how many there were.
pub(crate) async fn publish(
    publisher: TestPublisher,
    per_second: u32,
    task: fn(usize) -> (&'static str, Value),
    stop: Arc<AtomicBool>,
) -> usize {
    let (publisher, mut publishing) = (Arc::new(publisher), JoinSet::new());
    let mut pace = tokio::time::interval(Duration::from_secs(1) / per_second);
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let publisher = publisher.clone();
        publishing.spawn(async move {
            let (name, payload) = task(n);
            publisher.task(name, &payload, Some(&format!("m-{n}"))).await;
        });
        n += 1;
        while publishing.try_join_next().is_some() {}
    }
    publishing.join_all().await;
    n
}
