//! Keeps a link to RabbitMQ, and keeps background tasks running.

use std::{future::Future, pin::pin, sync::Arc};

use tokio_util::task::AbortOnDropHandle;

use super::{FIRST_PAUSE, LINK, Link, OUTGOING, Shared};
use crate::backoff::Backoff;

/// Waits for the end of the link and makes the next one, until the client is closed.
pub(super) async fn run(shared: Arc<Shared>) {
    // Dropping `keep_link` anywhere loses at most a link that is just being made.
    tokio::select! {
        () = keep_link(&shared) => {}
        () = shared.closed.cancelled() => {}
    }
}

async fn keep_link(shared: &Shared) {
    // The other connection of a broken link may still be there, with consumers on it; closing it may take seconds. Those
    // that were lost before are dropped.
    let mut _closing = None;
    loop {
        let link = shared.link.borrow().clone();
        if let Some(link) = link {
            shared.health.well(LINK);
            let reason = watch(shared, &link).await;
            tracing::warn!(reason, "the connection to RabbitMQ is lost; connecting again");
            shared.health.trouble(LINK, &reason);
            shared.health.well(OUTGOING);
            shared.link.send_replace(None);
            _closing = Some(AbortOnDropHandle::new(tokio::spawn(async move { link.close().await })));
        }
        let link = reconnect(shared).await;
        tracing::info!("connected to RabbitMQ again");
        shared.link.send_replace(Some(Arc::new(link)));
    }
}

/// Waits for the end of the link, and says why it came. Meanwhile tells whether RabbitMQ takes messages.
async fn watch(shared: &Shared, link: &Link) -> String {
    let mut down = pin!(link.down());
    loop {
        tokio::select! {
            reason = &mut down => return reason,
            blocked = link.blocked() => match blocked {
                Some(reason) => {
                    tracing::warn!(reason, "RabbitMQ takes no messages; publishing waits");
                    shared.health.trouble(OUTGOING, &format!("RabbitMQ takes no messages: {reason}"));
                }
                None => {
                    tracing::info!("RabbitMQ takes messages again");
                    shared.health.well(OUTGOING);
                }
            },
        }
    }
}

async fn reconnect(shared: &Shared) -> Link {
    let mut backoff = Backoff::starting_at(FIRST_PAUSE);
    loop {
        tokio::time::sleep(backoff.pause()).await;
        match Link::open(&shared.settings, &shared.plan()).await {
            Ok(link) => return link,
            Err(error) => {
                tracing::warn!(%error, "still no connection to RabbitMQ");
                shared.health.trouble(LINK, &error.to_string());
            }
        }
    }
}

/// Runs a background task; one that panics is told of and begun anew.
pub(super) async fn keep_alive<R, F>(name: &'static str, shared: Arc<Shared>, run: R)
where
    R: Fn(Arc<Shared>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut backoff = Backoff::starting_at(FIRST_PAUSE);
    loop {
        let task = AbortOnDropHandle::new(tokio::spawn(run(Arc::clone(&shared))));
        match task.await {
            Err(error) if error.is_panic() => {
                tracing::error!(%error, "the {name} panicked; it begins anew");
                tokio::time::sleep(backoff.pause()).await;
            }
            Ok(()) | Err(_) => return,
        }
    }
}
