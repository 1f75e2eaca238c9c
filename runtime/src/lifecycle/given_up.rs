//! What becomes of a Postgres connection whose statement was given up.
//!
//! The driver keeps such a connection until its server has answered, because it goes back to the pool only in step with
//! its server; and it asks each one that comes back for a sign of life, without a limit. Of a server that is gone without a
//! word no answer comes, and TCP hopes for a quarter of an hour: for so long the pool would count the connection, make no
//! other in its place, and nothing could be written over a link that works again. So the connections of the recorder
//! and of the look-ups ([`Links`]) do not go back to the pool, who writes otherwise lets go of its connection at once, and of a reader's an
//! answer is waited for briefly.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::sqlx::{
    self, Connection, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgDatabaseError, PgQueryResult, PgRow, PgSeverity},
    query::Query,
};
use tokio::time::timeout;

/// For so long a connection is used unasked. Then its statements are to be planned anew, and that it answers is its sign of life; who
/// writes tries again anyway. A prepared statement is planned once, it may be for a table that was analysed while it was empty, whose
/// keys are no use then: not for longer than this, before many rows can have come.
const TRUSTED: Duration = Duration::from_secs(1);

/// How long a connection may take at most to say that it is alive: far longer than any way to a server.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// The connections of who sends one statement after the other: kept from one to the next, at most as many as were in use
/// at once.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<Vec<Link>>);

#[derive(Debug)]
struct Link {
    connection: PgConnection,
    renewed: Instant,
}

impl Links {
    /// Runs one statement. If the future is dropped before it is answered, its connection is closed, and the next statement
    /// has another one; the server may still carry this one out.
    pub(super) async fn execute(
        &self,
        pool: &PgPool,
        statement: Query<'_, Postgres, PgArguments>,
    ) -> Result<PgQueryResult, sqlx::Error> {
        let mut link = self.take(pool).await?;
        let answer = statement.execute(&mut link.connection).await;
        self.put_back(link, &answer);
        answer
    }

    /// The same for a statement that gives rows.
    pub(super) async fn fetch_all(
        &self,
        pool: &PgPool,
        statement: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut link = self.take(pool).await?;
        let answer = statement.fetch_all(&mut link.connection).await;
        self.put_back(link, &answer);
        answer
    }

    /// Runs a `COPY … FROM STDIN` with all its rows, in the format that it names; as [`execute`](Self::execute).
    pub(super) async fn copy(&self, pool: &PgPool, statement: &str, rows: &[u8]) -> Result<(), sqlx::Error> {
        let mut link = self.take(pool).await?;
        let answer = copy(&mut link.connection, statement, rows).await;
        self.put_back(link, &answer);
        answer
    }

    async fn take(&self, pool: &PgPool) -> Result<Link, sqlx::Error> {
        match self.alive().await {
            Some(link) => Ok(link),
            None => Ok(Link { connection: pool.acquire().await?.detach(), renewed: Instant::now() }),
        }
    }

    /// What the server itself said came over a link that works, unless it says that it closes it.
    fn put_back<T>(&self, link: Link, answer: &Result<T, sqlx::Error>) {
        let works = match answer {
            Ok(_) => true,
            Err(sqlx::Error::Database(error)) => error
                .try_downcast_ref::<PgDatabaseError>()
                .is_some_and(|error| !matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic)),
            Err(_) => false,
        };
        if works {
            self.idle().push(link);
        }
    }

    /// Closes those that are not in use.
    pub(super) async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for link in idle {
            // The server notices anyway.
            let _ = timeout(SIGN_OF_LIFE, link.connection.close()).await;
        }
    }

    async fn alive(&self) -> Option<Link> {
        loop {
            let mut link = self.idle().pop()?;
            if link.renewed.elapsed() < TRUSTED || link.renew().await {
                return Some(link);
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Whether it is alive; then its statements are planned anew.
    async fn renew(&mut self) -> bool {
        let discarded = sqlx::raw_sql("DISCARD PLANS").execute(&mut self.connection);
        let works = matches!(timeout(SIGN_OF_LIFE, discarded).await, Ok(Ok(_)));
        self.renewed = Instant::now();
        works
    }
}

async fn copy(connection: &mut PgConnection, statement: &str, rows: &[u8]) -> Result<(), sqlx::Error> {
    let mut copy = connection.copy_in_raw(statement).await?;
    copy.send(rows).await?;
    copy.finish().await.map(drop)
}

/// Runs one statement of the pool's. If the future is dropped before it is answered, its connection is closed and its place
/// in the pool is free; the server may still carry the statement out.
pub(super) async fn execute(
    pool: &PgPool,
    statement: Query<'_, Postgres, PgArguments>,
) -> Result<PgQueryResult, sqlx::Error> {
    let mut lent = Lent(Some(pool.acquire().await?));
    let connection = lent.0.as_mut().ok_or(sqlx::Error::PoolClosed)?;
    let answer = statement.execute(&mut **connection).await;
    // Answered: it goes back to the pool.
    drop(lent.0.take());
    answer
}

/// A connection that is closed unless it was taken out before.
struct Lent(Option<PoolConnection<Postgres>>);

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(unanswered) = self.0.take() {
            drop(unanswered.detach());
        }
    }
}

/// Asks a connection whether it is alive.
///
/// # Errors
/// If it is not, or says nothing for so long.
pub(super) async fn ping(connection: &mut PgConnection, patience: Duration) -> Result<(), sqlx::Error> {
    match timeout(patience, connection.ping()).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())),
    }
}
