//! The relay: publishes what stands in the outbox, for as long as it is not stopped.

use std::{panic::AssertUnwindSafe, sync::Arc, sync::atomic::Ordering, time::Duration};

use futures_util::FutureExt;
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    cursor::Cursor,
    hold::Retry,
    listener::{Wake, listen},
    sweep::{Sweeper, Swept, Trouble},
};
use crate::{backoff::Backoff, publisher::Publisher};

/// The first pause before the database or the broker is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The first pause before the relay looks again where it can't be told of a commit.
const FIRST_LOOK: Duration = Duration::from_millis(2);

/// How long to wait for a connection to RabbitMQ before it is told that there is none.
const LINK_WAIT: Duration = Duration::from_secs(60);

/// How a relay works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySettings {
    /// Most keys, or rows without a key, that are claimed and published at once. At least 1.
    pub batch: u32,
    /// Most rows of one key in a batch; they are published one after the other. At least 1.
    pub chain: u32,
    /// How long RabbitMQ may take to confirm a row. On Postgres, rows are locked meanwhile, in a transaction that lasts at
    /// most about twice as long.
    pub publish_timeout: Duration,
    /// How often the outbox is looked at where nobody tells of a commit: SQLite, and Postgres while it can't be listened to.
    pub poll: Duration,
    /// How often the outbox is looked at although Postgres tells of every commit.
    pub safety_poll: Duration,
    /// The pause before a row is tried again that was refused; twice as long after each further time.
    pub first_retry: Duration,
    /// The longest such pause.
    pub longest_retry: Duration,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            batch: 256,
            chain: 32,
            publish_timeout: Duration::from_secs(10),
            poll: Duration::from_secs(1),
            safety_poll: Duration::from_secs(30),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(5 * 60),
        }
    }
}

/// Publishes what stands in the outbox. See the [module](super).
#[derive(Debug)]
pub struct Relay {
    db: DatabaseConnection,
    publisher: Publisher,
    settings: RelaySettings,
}

/// A relay that runs. It stops when this is dropped, at once: what it was publishing may then be published again.
#[derive(Debug)]
#[must_use = "the relay stops when its handle is dropped"]
pub struct RelayHandle {
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
    publish_timeout: Duration,
}

impl RelayHandle {
    /// Stops: what is on its way to RabbitMQ is confirmed and deleted first. RabbitMQ may take
    /// [`publish_timeout`](RelaySettings::publish_timeout) for it, the database as long again; what was not deleted by then
    /// is published again by the next relay.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let limit = self.publish_timeout.saturating_mul(2);
        match timeout(limit, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the outbox's relay did not end by itself"),
            // It is dropped at once, and the database takes its transaction back.
            Err(_) => tracing::error!(
                "the outbox's relay was stopped after {}s: the database does not answer, and what RabbitMQ confirmed last \
                 may be published again",
                limit.as_secs_f32()
            ),
        }
    }
}

impl Relay {
    /// A relay from this database to RabbitMQ, over the connections of the publisher's client. It needs up to two
    /// connections to the database, on Postgres one of them beside the pool.
    pub fn new(db: &DatabaseConnection, publisher: &Publisher, settings: RelaySettings) -> Self {
        Self { db: db.clone(), publisher: publisher.clone(), settings }
    }

    /// Starts it. Must be called inside a tokio runtime.
    pub fn start(self) -> RelayHandle {
        let stop = CancellationToken::new();
        let publish_timeout = self.settings.publish_timeout;
        let task = tokio::spawn(self.keep_running(stop.clone()));
        RelayHandle { stop, task: AbortOnDropHandle::new(task), publish_timeout }
    }

    /// A panic is told of, and the relay begins anew: rows that it held are free again.
    async fn keep_running(self, stop: CancellationToken) {
        let mut backoff = Backoff::starting_at(FIRST_PAUSE);
        while AssertUnwindSafe(self.run(&stop)).catch_unwind().await.is_err() {
            tracing::error!("the outbox's relay panicked; it begins anew");
            // Dropped without loss.
            let _ = timeout(backoff.pause(), stop.cancelled()).await;
        }
    }

    async fn run(&self, stop: &CancellationToken) {
        let notified = Notify::new();
        let relaying = |wake| Relaying { relay: self, sweeper: self.sweeper(stop), wake };
        if self.db.get_database_backend() == DbBackend::Postgres {
            let wake = Wake { rows: &notified, listening: false.into() };
            // The listener never ends, and holds nothing.
            tokio::select! {
                () = relaying(&wake).run() => {}
                never = listen(&self.db, &wake) => match never {},
            }
        } else {
            let wake = Wake { rows: self.publisher.written(), listening: false.into() };
            relaying(&wake).run().await;
        }
    }

    fn sweeper(&self, stop: &CancellationToken) -> Sweeper {
        let settings = &self.settings;
        let batch = settings.batch.max(1).into();
        Sweeper {
            db: self.db.clone(),
            client: self.publisher.client().clone(),
            stop: stop.clone(),
            batch,
            chain: settings.chain.max(1).into(),
            publish_timeout: settings.publish_timeout,
            retry: Retry { first: settings.first_retry, longest: settings.longest_retry },
            progress: false,
            unordered: Cursor::new(batch),
            ordered: Cursor::new(batch),
        }
    }
}

/// A relay at work.
struct Relaying<'r> {
    relay: &'r Relay,
    sweeper: Sweeper,
    wake: &'r Wake<'r>,
}

impl Relaying<'_> {
    /// Sweeps, and waits until there is a reason to sweep again, until it is stopped.
    async fn run(mut self) {
        let stop = self.sweeper.stop.clone();
        let (mut idle, mut trouble) = (Backoff::starting_at(FIRST_LOOK), Backoff::starting_at(FIRST_PAUSE));
        while !stop.is_cancelled() {
            match self.sweep().await {
                Ok(swept) => {
                    if trouble.failures() > 0 {
                        tracing::info!("the outbox is published again");
                        trouble.reset();
                    }
                    if swept.confirmed > 0 {
                        idle.reset();
                        continue;
                    }
                    let pause = self.pause(&swept, idle.pause());
                    // Both are waits that lose nothing: a wake-up that comes later is kept.
                    tokio::select! {
                        () = self.wake.rows.notified() => idle.reset(),
                        _ = timeout(pause, stop.cancelled()) => {}
                    }
                }
                Err(error) => {
                    if std::mem::take(&mut self.sweeper.progress) {
                        trouble.reset();
                    }
                    if trouble.failures() == 0 {
                        tracing::warn!(%error, "the outbox can't be published at the moment; trying again");
                    }
                    // Until it is stopped, or the pause is over.
                    let _ = timeout(trouble.pause(), stop.cancelled()).await;
                }
            }
        }
    }

    /// Only with a broker: rows are locked while they are published.
    async fn sweep(&mut self) -> Result<Swept, Trouble> {
        let (stop, client) = (self.sweeper.stop.clone(), self.sweeper.client.clone());
        // Waiting can be dropped without loss. A sweep is not dropped: it looks at `stop` itself.
        tokio::select! {
            link = client.publisher_by(Instant::now() + LINK_WAIT) => { link?; }
            () = stop.cancelled() => return Ok(Swept::default()),
        }
        self.sweeper.sweep().await
    }

    /// How long to wait for a wake-up. `look` is the pause if nobody will tell.
    fn pause(&self, swept: &Swept, look: Duration) -> Duration {
        let settings = &self.relay.settings;
        let told = self.wake.listening.load(Ordering::Relaxed) && !swept.held_elsewhere;
        let pause = if told { settings.safety_poll } else { look.min(settings.poll) };
        // A row that is due and was not taken is held by somebody else: no reason to turn in circles.
        swept.next_retry.map_or(pause, |retry| pause.min(retry.max(look)))
    }
}

/// What a [`Publisher`] tells of with each row that it writes where the database does not.
pub(crate) type Written = Arc<Notify>;
