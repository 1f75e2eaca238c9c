//! Publishes as many messages as there are, as fast as RabbitMQ confirms them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use event_driven::publisher::{ConnectionPublisher, Publication, PublishError};
use futures_util::{TryStreamExt, stream};

use super::Watch;

/// Most messages that are published and not confirmed.
const WINDOW: usize = 512;

/// Publishes `count` messages, as `message` makes them of their numbers, each with its confirm; gives how long that took.
///
/// # Errors
/// At the first one that is not confirmed, or that can't be made.
pub async fn fill<E: From<PublishError>>(
    publisher: &ConnectionPublisher,
    count: u64,
    message: impl Fn(u64) -> Result<Publication, E>,
    watch: &dyn Watch,
) -> Result<Duration, E> {
    let (begin, confirmed) = (Instant::now(), AtomicU64::new(0));
    stream::iter((0..count).map(Ok::<_, E>))
        .try_for_each_concurrent(WINDOW, |n| {
            let publication = message(n);
            let confirmed = &confirmed;
            async move {
                publisher.publish(publication?).await?;
                watch.at(confirmed.fetch_add(1, Ordering::Relaxed) + 1);
                Ok(())
            }
        })
        .await?;
    Ok(begin.elapsed())
}
