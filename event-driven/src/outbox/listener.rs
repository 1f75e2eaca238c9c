//! Wakes the relay when a transaction with events is committed: Postgres' LISTEN.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sea_orm::{
    DatabaseConnection,
    sqlx::{
        self,
        postgres::{PgListener, PgPoolOptions},
    },
};
use tokio::sync::Notify;

use crate::backoff::Backoff;

/// The channel on which Postgres tells of new rows.
pub(super) const CHANNEL: &str = "event_outbox";

/// The first pause before a lost connection is made again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What wakes the relay.
#[derive(Debug)]
pub(super) struct Wake<'r> {
    /// There may be new rows.
    pub(super) rows: &'r Notify,
    /// Whether `rows` is told of every commit; if not, the relay has to look by itself.
    pub(super) listening: AtomicBool,
}

/// Listens for ever, over a connection of its own: one of the application's pool would be missing there.
pub(super) async fn listen(db: &DatabaseConnection, wake: &Wake<'_>) -> Infallible {
    let options = db.get_postgres_connection_pool().connect_options();
    let mut backoff = Backoff::starting_at(FIRST_PAUSE);
    loop {
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.connect_lazy_with((*options).clone());
        let lost = until_lost(&pool, wake, &mut backoff).await;
        wake.listening.store(false, Ordering::Relaxed);
        // What was committed meanwhile is found by looking.
        wake.rows.notify_one();
        if backoff.failures() == 0 {
            tracing::warn!(reason = lost, "the outbox is not told of new events by the database; it looks by itself");
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

/// Says why it ended.
async fn until_lost(pool: &sqlx::PgPool, wake: &Wake<'_>, backoff: &mut Backoff) -> String {
    let listen = async {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        backoff.reset();
        wake.listening.store(true, Ordering::Relaxed);
        // What was committed before is not told of.
        wake.rows.notify_one();
        while listener.try_recv().await?.is_some() {
            wake.rows.notify_one();
        }
        Ok::<_, sqlx::Error>(())
    };
    match listen.await {
        Ok(()) => "the connection was lost".to_owned(),
        Err(error) => error.to_string(),
    }
}
