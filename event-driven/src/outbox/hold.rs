//! Holds rows while they are published, and settles them.

use std::time::Duration;

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, IsolationLevel, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Outcome, Refused},
    dialect::Dialect,
    queries,
    row::Row,
};
use crate::backoff::{self, Backoff};

/// The first pause before a database that did not take what was confirmed is asked again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What keeps other relays off the rows.
pub(super) enum Hold {
    /// Locks, which go with the transaction: also when this process is killed.
    Locks(DatabaseTransaction),
    /// Nothing: this is the only relay. SQLite's write lock would keep everybody from writing while we publish.
    Alone(DatabaseConnection),
}

/// When a refused row is tried again: after `first`, then after twice as long each time, at most `longest`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Hold {
    pub(super) async fn begin(db: &DatabaseConnection) -> Result<Self, DbErr> {
        match Dialect::of(db.get_database_backend())? {
            Dialect::Postgres => {
                // Above READ COMMITTED a row that another relay has just changed would be an error.
                let options = TransactionOptions {
                    isolation_level: Some(IsolationLevel::ReadCommitted),
                    ..TransactionOptions::default()
                };
                Ok(Self::Locks(db.begin_with_options(options).await?))
            }
            Dialect::Sqlite => Ok(Self::Alone(db.clone())),
        }
    }

    /// See [`queries::chains`].
    pub(super) async fn chains(&self, heads: &[i64], most: u64) -> Result<Vec<Row>, DbErr> {
        match self {
            Self::Locks(transaction) => queries::chains(transaction, heads, most).await,
            Self::Alone(db) => queries::chains(db, heads, most).await,
        }
    }

    /// See [`queries::unordered`].
    pub(super) async fn unordered(&self, after: i64, newest: i64, most: u64) -> Result<Vec<Row>, DbErr> {
        match self {
            Self::Locks(transaction) => queries::unordered(transaction, after, newest, most).await,
            Self::Alone(db) => queries::unordered(db, after, newest, most).await,
        }
    }

    /// Deletes what was confirmed, notes what was refused, and gives all rows free.
    ///
    /// # Errors
    /// Then what was confirmed is published again. Where nothing is locked, only if `stop` comes first.
    pub(super) async fn settle(self, outcome: &Outcome, retry: Retry, stop: &CancellationToken) -> Result<(), DbErr> {
        match self {
            Self::Locks(transaction) => {
                write(&transaction, outcome, retry).await?;
                transaction.commit().await
            }
            Self::Alone(db) => {
                let mut backoff = Backoff::starting_at(FIRST_PAUSE);
                while let Err(error) = write_at_once(&db, outcome, retry).await {
                    if stop.is_cancelled() {
                        return Err(error);
                    }
                    if backoff.failures() == 0 {
                        tracing::warn!(%error, "published events can't be deleted from the outbox; trying again");
                    }
                    tokio::time::sleep(backoff.pause()).await;
                }
                Ok(())
            }
        }
    }
}

async fn write_at_once(db: &DatabaseConnection, outcome: &Outcome, retry: Retry) -> Result<(), DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = db.begin_with_options(options).await?;
    write(&transaction, outcome, retry).await?;
    transaction.commit().await
}

async fn write(db: &DatabaseTransaction, outcome: &Outcome, retry: Retry) -> Result<(), DbErr> {
    queries::delete(db, &outcome.confirmed).await?;
    for Refused { id, attempts, error } in &outcome.refused {
        let failures = u32::try_from(*attempts).unwrap_or_default();
        let pause = backoff::pause_after(retry.first, retry.longest, failures);
        queries::refuse(db, *id, &error.to_string(), pause).await?;
    }
    Ok(())
}
