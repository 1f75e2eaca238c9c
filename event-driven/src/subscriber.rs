//! Handles events and tasks: from a queue of RabbitMQ to a function of the service.
//!
//! A worker for each queue takes deliveries from the [`client`](crate::client), decodes them, runs the handler (many at a
//! time, each as a task of its own), and settles the delivery by what the handler returned. A retry goes to the
//! subscriber's own retry queue and comes back to its own queue: nobody else sees it.
//!
//! Promises: a message is acked only after its handler has returned; a handler that panics takes nothing with it; a
//! handler may run more than once for one message (a crash, a lost connection), so it has to bear that.

mod delivery;
mod event;
mod handler;
mod settle;
mod task;
mod worker;

use std::{num::NonZeroU16, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;

pub use delivery::Delivery;
pub use handler::{Handler, HandlerError, HandlerFn};

use crate::{
    client::{Claim, Client, Source, StartError},
    names::{Action, Entity, EventKey, Subscription, TaskRoute},
    topology,
};

/// How a queue is consumed.
#[derive(Debug, Clone)]
pub struct SubscriberSettings {
    /// Most handlers of one queue that run at once.
    pub concurrency: usize,
    /// Most messages of one queue that are delivered and not settled; what is above the concurrency waits here and is
    /// withheld from other instances of the service.
    pub prefetch: NonZeroU16,
    /// The largest body, in bytes; a message with a larger one is dead-lettered.
    pub max_body: usize,
}

impl Default for SubscriberSettings {
    fn default() -> Self {
        Self { concurrency: 16, prefetch: const { NonZeroU16::new(64).expect("not 0") }, max_body: 16 * 1024 * 1024 }
    }
}

/// One or more queues that are consumed. Dropping it changes nothing: consuming goes on until the client is closed.
#[derive(Debug, Default)]
pub struct Subscriber {
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Subscriber {
    /// Stops consuming and waits until the handlers that run have returned. RabbitMQ is told of it in the background;
    /// [`Client::close`] waits for that. Not to be called by a handler, which would wait for itself.
    pub async fn stop(self) {
        self.workers.iter().for_each(|worker| worker.stop.cancel());
        for worker in self.workers {
            worker.ended.cancelled().await;
        }
    }

    /// This and another one as one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.workers.extend(other.workers);
        self
    }
}

impl Client {
    /// Declares the queue `event.T.E.to.S` of this service with its retry and dead-letter queues, and handles what comes
    /// into it, by the settings of the client.
    ///
    /// # Errors
    /// If the queues can't be declared or used, or if this client has a handler for the event already.
    pub async fn subscribe<T, H>(&self, key: EventKey, handler: H) -> Result<Subscriber, StartError>
    where
        T: DeserializeOwned + Send + 'static,
        H: Handler<T>,
    {
        self.subscribe_with(key, &self.settings().subscriber, handler).await
    }

    /// The same by other settings.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub async fn subscribe_with<T, H>(
        &self,
        key: EventKey,
        settings: &SubscriberSettings,
        handler: H,
    ) -> Result<Subscriber, StartError>
    where
        T: DeserializeOwned + Send + 'static,
        H: Handler<T>,
    {
        self.subscribe_shared(key, settings, Arc::new(handler)).await
    }

    /// The same for a handler that other queues have too.
    pub(crate) async fn subscribe_shared<T, H>(
        &self,
        key: EventKey,
        settings: &SubscriberSettings,
        handler: Arc<H>,
    ) -> Result<Subscriber, StartError>
    where
        T: DeserializeOwned + Send + 'static,
        H: Handler<T>,
    {
        let subscription = Subscription { event: key, service: self.settings().service.clone() };
        let claim = self.claim(&subscription.queue())?;
        self.declare(&topology::subscription(&subscription, &self.settings().topology)).await?;
        let source = Source::subscription(&subscription, self.settings().topology.retries, settings.prefetch);
        let process = event::Process::new(handler, &source, settings);
        Ok(self.work(claim, source, settings, process))
    }

    /// Declares the queue `task.A.E` with its retry and dead-letter queues, and executes the tasks that come into it, by the
    /// settings of the client. What the handler returns is published to who asked for a reply.
    ///
    /// Unlike warren, this keeps no record of what was executed: a task that comes again (after a crash, or published twice
    /// with the same `message_id`) is executed again, and the handler has to bear that.
    ///
    /// # Errors
    /// If a name is wrong, or the queues can't be declared or used.
    pub async fn serve_task<T, R, H>(&self, action: &str, entity: &str, handler: H) -> Result<Subscriber, StartError>
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        H: Handler<T, R>,
    {
        let route = TaskRoute { action: Action::new(action)?, entity: Entity::new(entity)? };
        self.serve_task_with(route, &self.settings().subscriber, handler).await
    }

    /// The same by other settings.
    ///
    /// # Errors
    /// As [`serve_task`](Self::serve_task).
    pub async fn serve_task_with<T, R, H>(
        &self,
        route: TaskRoute,
        settings: &SubscriberSettings,
        handler: H,
    ) -> Result<Subscriber, StartError>
    where
        T: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        H: Handler<T, R>,
    {
        let claim = self.claim(&route.queue())?;
        self.declare(&topology::route(&route, &self.settings().topology)).await?;
        let source = Source::route(&route, self.settings().topology.retries, settings.prefetch);
        let process = task::Process::new(handler, self, &source, settings);
        Ok(self.work(claim, source, settings, process))
    }

    fn work<P: worker::Process>(
        &self,
        claim: Claim,
        source: Source,
        settings: &SubscriberSettings,
        process: P,
    ) -> Subscriber {
        let deliveries = self.consume(source);
        let stop = deliveries.stop();
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let concurrency = settings.concurrency.max(1);
        self.own(async move {
            // Dropped with the worker, however that ends; the claim first.
            let (_ended, _claim) = (guard, claim);
            worker::run(deliveries, process, concurrency).await;
        });
        Subscriber { workers: vec![Worker { stop, ended }] }
    }
}
