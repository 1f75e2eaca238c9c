//! What becomes of a Postgres connection whose statement was given up.
//!
//! The driver keeps such a connection until its server has answered, because it goes back to the pool only in step with
//! its server. Of a server that is gone without a word no answer comes, and TCP hopes for a quarter of an hour: for so
//! long the pool would count the connection, make no other in its place, and nothing could be written over a link that
//! works again. So who writes lets go of the connection at once, and of a reader's an answer is waited for briefly.

use std::{io, time::Duration};

use sea_orm::sqlx::{
    self, Connection, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgQueryResult},
    query::Query,
};
use tokio::time::timeout;

/// Runs one statement. If the future is dropped before it is answered, its connection is closed and its place in the pool
/// is free; the server may still carry the statement out.
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
