//! A service's place at RabbitMQ: connections that are made again, queues that are consumed, messages that go out.
//!
//! A supervisor keeps a link (two connections: what RabbitMQ blocks because it is short of memory must not be the one
//! with the acks). Each lane is one consuming channel with its deliveries, acks and copies; when its channel or the link
//! dies, everything that belonged to it is void and the lane begins anew. Every background task is owned by the client
//! and begins anew if it panics.
//!
//! Promises: a delivery that was not settled comes back; the original of a copy (retry, dead letter) is acked only after
//! RabbitMQ confirmed the copy; consuming goes on by itself whatever happens to the connection, until it is stopped; what
//! is held here is bounded by the prefetch.
//!
//! What a message means is decided by who consumes: [`subscriber`](crate::subscriber), or a program of its own.

mod ack_window;
mod allowance;
mod background;
mod claim;
mod copying;
mod deliveries;
mod delivery;
mod health;
mod lane;
mod link;
mod prefetch;
mod session;
mod settings;
mod source;
mod subscriptions;
mod supervisor;
mod ticket;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak},
    time::Duration,
};

use lapin::{options::QueueDeclareOptions, types::FieldTable};
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

pub use ack_window::{Ack, AckWindow};
pub(crate) use claim::Claim;
pub use deliveries::Deliveries;
pub use delivery::{Original, RawDelivery, Receipt, Settlement};
pub use health::Health;
pub use prefetch::Prefetch;
pub use settings::{ClientSettings, StartError};
pub use source::Source;

use self::{background::Background, claim::Handled, deliveries::Untaken, health::HealthBoard, link::Link};
use crate::{
    publisher::{ConnectionPublisher, Publication, PublishError, disconnected, short_name},
    topology::{self, Declaration},
};

/// The first pause before something that failed at RabbitMQ is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How long a lane may take to tell RabbitMQ of what is settled when it is told to stop at once.
const LAST_FLUSH: Duration = Duration::from_secs(1);

/// The part of the health board that tells of the link.
const LINK: &str = "connection";

/// The part that tells whether RabbitMQ takes messages.
const OUTGOING: &str = "outgoing";

/// A RabbitMQ server, as one service uses it. All clones share its connections.
///
/// It ends with [`close`](Self::close), or with its last clone. A [`Publisher`](crate::publisher::Publisher) holds a clone;
/// so a handler that holds a publisher keeps the client for as long as it is not closed.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    background: Arc<Background>,
}

/// What the background tasks know of each other.
#[derive(Debug)]
struct Shared {
    settings: ClientSettings,
    /// All that was declared, to be declared again on each new connection.
    plan: RwLock<Vec<Declaration>>,
    health: HealthBoard,
    /// The link in use, while there is one.
    link: watch::Sender<Option<Arc<Link>>>,
    /// No more deliveries are wanted.
    stop: CancellationToken,
    /// Nothing is wanted any more.
    closed: CancellationToken,
    /// Lanes that may still hand out a delivery.
    consuming: watch::Sender<usize>,
    untaken: Mutex<Vec<Untaken>>,
    handled: Handled,
}

/// A client that is not kept by who holds this. For what the client owns itself.
#[derive(Debug, Clone)]
pub(crate) struct WeakClient {
    shared: Weak<Shared>,
    background: Weak<Background>,
}

impl WeakClient {
    pub(crate) fn upgrade(&self) -> Option<Client> {
        Some(Client { shared: self.shared.upgrade()?, background: self.background.upgrade()? })
    }
}

impl Shared {
    fn plan(&self) -> Vec<Declaration> {
        self.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn untaken(&self) -> MutexGuard<'_, Vec<Untaken>> {
        self.untaken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Connects and declares the exchanges of events and tasks, as a service needs them that publishes and subscribes. See
    /// [`connect_with`](Self::connect_with).
    ///
    /// # Errors
    /// Within [`ClientSettings::connect_timeout`], in one line that says what is wrong and what to do.
    pub async fn connect(settings: ClientSettings) -> Result<Self, StartError> {
        let plan = topology::exchanges(&settings.topology);
        Self::connect_with(settings, plan).await
    }

    /// Connects and declares `plan`. From then on a lost connection is made again for ever, with growing pauses, and the
    /// plan is declared again on each; see [`health`](Self::health). Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Within [`ClientSettings::connect_timeout`], in one line that says what is wrong and what to do.
    pub async fn connect_with(settings: ClientSettings, plan: Vec<Declaration>) -> Result<Self, StartError> {
        let link = Link::open(&settings, &plan).await?;
        let shared = Arc::new(Shared {
            settings,
            plan: RwLock::new(plan),
            health: HealthBoard::new(),
            link: watch::Sender::new(Some(Arc::new(link))),
            stop: CancellationToken::new(),
            closed: CancellationToken::new(),
            consuming: watch::Sender::new(0),
            untaken: Mutex::default(),
            handled: Handled::default(),
        });
        let background = Arc::new(Background::default());
        background.spawn_supervisor(supervisor::keep_alive("supervisor", Arc::clone(&shared), supervisor::run));
        Ok(Self { shared, background })
    }

    /// What it was made with.
    pub fn settings(&self) -> &ClientSettings {
        &self.shared.settings
    }

    /// Declares more, now and on each new connection. Declaring the same again changes nothing.
    ///
    /// # Errors
    /// If something exists and can't be used, or if there is no connection within [`ClientSettings::connect_timeout`].
    /// Nothing is remembered then.
    pub async fn declare(&self, plan: &[Declaration]) -> Result<(), StartError> {
        self.declare_once(plan).await?;
        let mut known = self.shared.plan.write().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = plan.iter().filter(|declaration| !known.contains(declaration)).cloned().collect();
        known.extend(new);
        Ok(())
    }

    /// Declares more, now only.
    ///
    /// # Errors
    /// As [`declare`](Self::declare).
    pub(crate) async fn declare_once(&self, plan: &[Declaration]) -> Result<(), StartError> {
        let (patience, address) = (self.settings().connect_timeout, || self.settings().address.to_string());
        let declare = async {
            let link = self.link_by(deadline_after(patience)).await;
            let link = link.map_err(|_| StartError::Lost { address: address() })?;
            Ok(link.declare(plan).await?)
        };
        let declared: Result<Result<(), StartError>, _> = timeout(patience, declare).await;
        declared.unwrap_or_else(|_| Err(StartError::Stuck { address: address(), timeout: patience }))
    }

    /// Publishes on the connection in use. Does not wait for a lost one to come back;
    /// [`Publisher`](crate::publisher::Publisher) does.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn publish(&self, publication: Publication) -> Result<(), PublishError> {
        self.link()?.outgoing.publish(publication).await
    }

    /// Whether messages can come in and go out at this moment. That RabbitMQ takes no messages, because it is short of memory
    /// or disk, is told here as soon as one is published; publishing waits then, and consuming goes on.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.watch()
    }

    /// Messages that wait in `queue`, without those that were delivered and not settled.
    ///
    /// # Errors
    /// If RabbitMQ can't be asked.
    pub async fn depth(&self, queue: &str) -> Result<u64, PublishError> {
        let name = short_name("the queue's name", queue)?;
        let ask = async {
            let channel = self.link()?.publishing.create_channel().await.map_err(disconnected)?;
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let found = channel.queue_declare(name, passive, FieldTable::default()).await;
            let depth = found.map_err(disconnected)?.message_count().into();
            channel.close(200, "asked".into()).await.map_err(disconnected)?;
            Ok(depth)
        };
        let patience = self.settings().connect_timeout;
        timeout(patience, ask).await.unwrap_or(Err(PublishError::TimedOut(patience)))
    }

    /// Ends all [`Deliveries`]: returns when no further delivery will be handed out and those that were on their way are
    /// given back. What was handed out can still be settled. May be called again.
    pub async fn stop_consuming(&self) {
        self.shared.stop.cancel();
        // Fails only if the sender is gone, which is in `self`.
        let _ = self.shared.consuming.subscribe().wait_for(|consuming| *consuming == 0).await;
        self.shared.untaken().iter().for_each(Untaken::give_back);
    }

    /// Stops consuming, waits until all that was handed out is handled and settled and RabbitMQ was told, at most for
    /// `deadline`, and disconnects, for which RabbitMQ has some seconds more. What is unsettled then is delivered again, to
    /// somebody else, as is what belonged to a connection that was lost meanwhile. Gives whether nothing was cut off. May be
    /// called again, and by many at once; not by a handler, which would wait for itself.
    pub async fn close(&self, deadline: Duration) -> bool {
        let done = async {
            self.stop_consuming().await;
            self.background.done().await;
        };
        let in_time = timeout_at(deadline_after(deadline), done).await.is_ok();
        self.shared.closed.cancel();
        // What still runs has no one to settle with; what it held goes back to its queue.
        self.background.abandon();
        self.shared.untaken().iter().for_each(Untaken::give_back);
        if !in_time && timeout(LAST_FLUSH, self.background.lanes_done()).await.is_err() {
            tracing::warn!("RabbitMQ was not told of all that is settled: it will deliver some again");
        }
        // It could be about to put a new link there.
        if timeout(LAST_FLUSH, self.background.supervisor_done()).await.is_err() {
            tracing::debug!("the supervisor of the connection has not ended");
        }
        if let Some(link) = self.shared.link.send_replace(None) {
            link.close().await;
        }
        self.shared.health.trouble(LINK, "it was closed");
        in_time
    }

    pub(crate) fn weak(&self) -> WeakClient {
        WeakClient { shared: Arc::downgrade(&self.shared), background: Arc::downgrade(&self.background) }
    }

    /// Runs `work` until it ends, or the client does.
    pub(crate) fn own(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.background.spawn_worker(work);
    }

    /// The publisher of the link in use, or of the next one if that comes by `deadline`.
    pub(crate) async fn publisher_by(&self, deadline: Instant) -> Result<ConnectionPublisher, PublishError> {
        Ok(self.link_by(deadline).await?.outgoing.clone())
    }

    /// The connection that publishes, or the next one if that comes by `deadline`.
    pub(crate) async fn publishing_by(&self, deadline: Instant) -> Result<Arc<lapin::Connection>, PublishError> {
        Ok(Arc::clone(&self.link_by(deadline).await?.publishing))
    }

    async fn link_by(&self, deadline: Instant) -> Result<Arc<Link>, PublishError> {
        let mut links = self.shared.link.subscribe();
        let up = |link: &Option<Arc<Link>>| link.as_ref().is_some_and(|link| link.is_up());
        // Waiting can be dropped without loss.
        tokio::select! {
            biased;
            link = links.wait_for(up) => link.ok().and_then(|link| link.clone()).ok_or_else(PublishError::gone),
            () = self.shared.closed.cancelled() => Err(PublishError::gone()),
            () = tokio::time::sleep_until(deadline) => Err(PublishError::Disconnected(self.reason())),
        }
    }

    fn link(&self) -> Result<Arc<Link>, PublishError> {
        self.shared.link.borrow().clone().ok_or_else(|| PublishError::Disconnected(self.reason()))
    }

    fn reason(&self) -> String {
        self.shared.health.reason().unwrap_or_else(|| "it is being made again".to_owned())
    }
}

/// The moment after that time; one that is beyond all clocks is thirty years away.
pub(crate) fn deadline_after(time: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + FAR)
}
