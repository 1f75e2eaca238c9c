//! A broker in the memory of this process: RabbitMQ's semantics without RabbitMQ.
//!
//! Prefetch, redelivery, retry delays, expiration and dead letters work as there; nothing survives the process. Subscribers'
//! and routes' queues do not exist: what matters to the service are those of tasks and `event.store`.

mod inbox;
mod message;
mod queues;
mod replies;
mod ticket;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use event_driven::{message::first_routing_key, names::Priority};
use lapin::BasicProperties;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::{
    message::Message,
    queues::{QUEUES, Queues},
    replies::Replies,
};
use super::{Deliveries, Depth, Health, InProcessLimits, Publish, PublishError, Queue, Target, deliveries};

pub(super) use inbox::Inbox;
pub use message::DeadLetter;
pub(super) use ticket::Ticket;

/// The broker in memory. All clones are the same.
#[derive(Debug, Clone)]
pub struct InProcess {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Held for moments, never across an await.
    queues: Mutex<Queues>,
    replies: Mutex<Replies>,
    /// Something may have become deliverable, or may be settled.
    changed: Notify,
    stop: CancellationToken,
    health: watch::Sender<Health>,
}

impl Shared {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queues and wakes who waits for them.
    fn change<T>(&self, change: impl FnOnce(&mut Queues) -> T) -> T {
        let result = change(&mut self.queues());
        self.changed.notify_waiters();
        result
    }
}

impl InProcess {
    pub(super) fn new(limits: InProcessLimits) -> Self {
        Self {
            shared: Arc::new(Shared {
                queues: Mutex::new(Queues::new(limits)),
                replies: Mutex::default(),
                changed: Notify::new(),
                stop: CancellationToken::new(),
                health: watch::Sender::new(Health::Connected),
            }),
        }
    }

    pub(super) fn consume(&self, queue: Queue) -> Deliveries {
        Deliveries(deliveries::Inbox::InProcess(Inbox::new(Arc::clone(&self.shared), queue)))
    }

    pub(super) fn publish(&self, publish: Publish) -> Result<(), PublishError> {
        let (queue, key) = match &publish.target {
            Target::Task(key) => {
                let class = Priority::ALL.into_iter().find(|class| class.routing_key() == Some(key));
                (Queue::of_tasks(class.unwrap_or_default()), key.clone())
            }
            Target::Class(class) => {
                let (queue, name) = (Queue::of_tasks(*class), class.queue());
                (queue, first_routing_key("", name, name, &publish.properties))
            }
            Target::Event(key) => (Queue::EventStore, key.clone()),
            Target::Reply(queue) => {
                let queue = queue.clone();
                return self.replies().answer(&queue, publish);
            }
        };
        let message = Message::new(key, publish.properties, publish.body);
        self.shared.change(|queues| queues.publish(queue, message))
    }

    /// Publishes a task as soon as all queues of tasks are less than half full: the other half is for who does not wait. Cancel-safe.
    ///
    /// # Errors
    /// As [`publish`](super::Broker::publish).
    pub async fn publish_in_turn(&self, publish: Publish) -> Result<(), PublishError> {
        loop {
            // Registered before the look, so that no change is missed in between.
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            if !self.shared.queues().is_half_full() {
                return self.publish(publish);
            }
            changed.await;
        }
    }

    /// Waits for the reply to the queue of this name, given up when dropped. What is published to a name that nobody waits
    /// for is dropped.
    pub fn reply(&self, queue: &str) -> impl Future<Output = Option<Publish>> + Send + use<> {
        let answer = self.replies().wait(queue);
        async { answer.await.ok() }
    }

    /// The dead letters of `queue` that are kept, oldest first.
    pub fn dead_letters(&self, queue: Queue) -> Vec<DeadLetter> {
        self.shared.queues().dead_letters(queue)
    }

    /// Publishes a dead letter again, with these properties. False: it is gone.
    ///
    /// # Errors
    /// If its queue is full: it stays.
    pub fn revive(&self, queue: Queue, number: u64, properties: BasicProperties) -> Result<bool, PublishError> {
        self.shared.change(|queues| queues.revive(queue, number, properties))
    }

    /// Throws a dead letter away. False: it is gone.
    pub fn discard(&self, queue: Queue, number: u64) -> bool {
        self.shared.queues().discard(queue, number)
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    pub(super) fn depth(&self, queue: Queue) -> u64 {
        self.shared.queues().depth(queue)
    }

    /// What waits in each queue; those of retries, which are none of their own here, are left out.
    pub fn depths(&self) -> Vec<Depth> {
        let queues = self.shared.queues();
        let depth = |queue: &str, messages: u64, consumers| Depth {
            queue: queue.to_owned(),
            messages: Some(u32::try_from(messages).unwrap_or(u32::MAX)),
            consumers,
        };
        let dead = |queue: Queue| depth(queue.dead_name(), queues.dead_count(queue), 0);
        let mut depths: Vec<_> = QUEUES.iter().map(|queue| depth(queue.name(), queues.depth(*queue), 1)).collect();
        depths.extend([dead(Queue::Tasks), dead(Queue::EventStore)]);
        depths
    }

    pub(super) fn stop_consuming(&self) {
        self.shared.stop.cancel();
    }

    pub(super) async fn close(&self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        loop {
            // Registered before the look, so that no change is missed in between.
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            if self.shared.queues().is_settled() {
                return true;
            }
            if tokio::time::timeout_at(end, changed).await.is_err() {
                self.shared.change(Queues::give_back);
                return false;
            }
        }
    }

    fn replies(&self) -> MutexGuard<'_, Replies> {
        self.shared.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
