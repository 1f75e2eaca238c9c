//! RabbitMQ: connections that are made again, channels that consume, acks in groups.
//!
//! A supervisor keeps a [`Link`] (two connections: what RabbitMQ blocks because it is short of memory must not be the one
//! with the acks). Each lane is one consuming channel with its deliveries, acks and copies; when its channel or the link
//! dies, everything that belonged to it is void and the lane begins anew. Every background task is owned by the broker
//! and begins anew if it panics.

mod copying;
mod inbox;
mod lane;
mod link;
mod session;
mod supervisor;
mod ticket;

use std::{
    num::NonZeroU16,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use event_driven::topology::{Declaration, plan};
use futures_util::future::join_all;
use lapin::options::QueueDeclareOptions;
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::{lane::Lane, link::Link};
use super::{
    BrokerConfig, ConnectError, Deliveries, Health, Publish, PublishError, Queue, deliveries, health::HealthBoard,
};

pub(super) use inbox::Inbox;
pub(super) use ticket::Ticket;

/// How long a lane may take to tell RabbitMQ of what is settled when it is told to stop at once.
const LAST_FLUSH: Duration = Duration::from_secs(1);

/// A RabbitMQ server. All clones share its connections, which end with the last of them.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    shared: Arc<Shared>,
    tasks: Arc<Tasks>,
}

/// What the background tasks know of each other.
#[derive(Debug)]
struct Shared {
    config: BrokerConfig,
    plan: Vec<Declaration>,
    health: HealthBoard,
    /// The link in use, while there is one.
    link: watch::Sender<Option<Arc<Link>>>,
    /// No more deliveries are wanted.
    stop: CancellationToken,
    /// Nothing is wanted any more.
    closed: CancellationToken,
    /// Lanes that may still hand out a delivery.
    consuming: watch::Sender<usize>,
    inboxes: Mutex<Vec<inbox::Shelf>>,
}

/// The background tasks; they are aborted when the last clone of the broker goes.
#[derive(Debug)]
struct Tasks {
    lanes: Mutex<Vec<AbortOnDropHandle<()>>>,
    _supervisor: AbortOnDropHandle<()>,
}

impl RabbitMq {
    /// See [`Broker::connect`](super::Broker::connect).
    ///
    /// # Errors
    /// If there is no connection, or what is needed can't be declared.
    pub async fn connect(config: BrokerConfig) -> Result<Self, ConnectError> {
        let plan = plan(&config.topology);
        let link = Link::open(&config, &plan).await?;
        let shared = Arc::new(Shared {
            config,
            plan,
            health: HealthBoard::new(),
            link: watch::Sender::new(Some(Arc::new(link))),
            stop: CancellationToken::new(),
            closed: CancellationToken::new(),
            consuming: watch::Sender::new(0),
            inboxes: Mutex::default(),
        });
        let supervisor = tokio::spawn(supervisor::keep_alive("supervisor", Arc::clone(&shared), supervisor::run));
        let tasks = Tasks { lanes: Mutex::default(), _supervisor: AbortOnDropHandle::new(supervisor) };
        Ok(Self { shared, tasks: Arc::new(tasks) })
    }

    pub(super) fn consume(&self, queue: Queue) -> Deliveries {
        let BrokerConfig { prefetch, channels, .. } = &self.shared.config;
        let lanes = match queue {
            Queue::Tasks => channels.get().min(prefetch.get()),
            Queue::EventStore => 1,
        };
        let (out, inbox) = mpsc::channel(usize::from(prefetch.get()));
        let mut tasks = self.tasks.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 0..lanes {
            let lane = Lane { queue, number, prefetch: share(*prefetch, lanes, number), out: out.clone() };
            let run = move |shared| lane.clone().run(shared);
            let lane = supervisor::keep_alive("consumer", Arc::clone(&self.shared), run);
            tasks.push(AbortOnDropHandle::new(tokio::spawn(lane)));
        }
        let shelf = inbox::Shelf::new(inbox);
        self.shared.inboxes.lock().unwrap_or_else(PoisonError::into_inner).push(shelf.clone());
        Deliveries(deliveries::Inbox::RabbitMq(Inbox::new(shelf, self.shared.stop.clone())))
    }

    pub(super) async fn publish(&self, publish: Publish) -> Result<(), PublishError> {
        self.link()?.outgoing.publish(publish.into()).await
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.watch()
    }

    pub(super) async fn depth(&self, queue: Queue) -> Result<u64, PublishError> {
        let ask = async {
            let channel = self.link()?.publishing.create_channel().await.map_err(disconnected)?;
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let found = channel.queue_declare(queue.name().into(), passive, lapin::types::FieldTable::default()).await;
            let depth = found.map_err(disconnected)?.message_count().into();
            channel.close(200, "asked".into()).await.map_err(disconnected)?;
            Ok(depth)
        };
        let timeout = self.shared.config.connect_timeout;
        tokio::time::timeout(timeout, ask).await.unwrap_or(Err(PublishError::TimedOut(timeout)))
    }

    pub(super) async fn stop_consuming(&self) {
        self.shared.stop.cancel();
        // Fails only if the sender is gone, which is in `self`.
        let _ = self.shared.consuming.subscribe().wait_for(|consuming| *consuming == 0).await;
        let shelves = std::mem::take(&mut *self.shared.inboxes.lock().unwrap_or_else(PoisonError::into_inner));
        shelves.iter().for_each(inbox::Shelf::give_back);
    }

    pub(super) async fn close(&self, deadline: Duration) -> bool {
        let lanes = std::mem::take(&mut *self.tasks.lanes.lock().unwrap_or_else(PoisonError::into_inner));
        let mut settled = std::pin::pin!(join_all(lanes));
        let in_time = tokio::time::timeout(deadline, &mut settled).await.is_ok();
        self.shared.closed.cancel();
        if !in_time && tokio::time::timeout(LAST_FLUSH, settled).await.is_err() {
            tracing::warn!("RabbitMQ was not told of all that is settled: it will deliver some again");
        }
        if let Some(link) = self.shared.link.send_replace(None) {
            link.close().await;
        }
        self.shared.health.trouble("connection", "it was closed");
        in_time
    }

    fn link(&self) -> Result<Arc<Link>, PublishError> {
        let reason = || self.shared.health.reason().unwrap_or_else(|| "it is being made again".to_owned());
        self.shared.link.borrow().clone().ok_or_else(|| PublishError::Disconnected(reason()))
    }
}

fn disconnected(error: lapin::Error) -> PublishError {
    PublishError::Disconnected(error.to_string())
}

/// The prefetch of one lane of several; all together are the whole.
fn share(prefetch: NonZeroU16, lanes: u16, number: u16) -> u16 {
    prefetch.get() / lanes + u16::from(number < prefetch.get() % lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_the_prefetch_add_up() {
        for (prefetch, lanes) in [(256, 4), (7, 4), (4, 4), (1, 1)] {
            let prefetch = NonZeroU16::new(prefetch).unwrap();
            let shares: Vec<u16> = (0..lanes).map(|number| share(prefetch, lanes, number)).collect();
            assert_eq!(shares.iter().sum::<u16>(), prefetch.get());
            assert!(shares.iter().all(|share| *share > 0));
        }
    }
}
