//! How the tables came to be: warren's migrations, for Postgres and for SQLite from the same code.
//!
//! [`up`] may be called by any number of runtimes at once, on an empty database as well: one of them migrates, the others
//! wait and find nothing to do. All of a call happens in one transaction, so that a runtime which dies half-way leaves
//! nothing behind. A database that a newer warren has migrated is refused by name ([`MigrationError::NewerSchema`]),
//! before anything is changed.

#![deny(missing_docs)]

mod error;
mod exclusive;
mod m20260801_000001_task_store;
mod m20260801_000002_event_store;
mod m20261126_000003_task_attempt;
mod m20261126_000004_runtime;
mod m20261126_000005_receipt;
mod m20261126_000006_task_cancel;
mod m20261126_000007_delayed_task;
mod m20261126_000008_schedule;
mod m20261126_000009_task_wishes;
mod m20261126_000010_runtime_recent;
mod m20261126_000011_task_reading;
mod m20261126_000012_attempt_in_row;
mod m20261126_000013_compression;
mod m20261128_000014_message_key;
mod migrator;
mod status;

pub use error::MigrationError;
pub use status::{AppliedMigration, check, status};

use sea_orm::DatabaseConnection;
use sea_orm_migration::MigratorTrait as _;

use crate::migrator::Migrator;

/// Applies every migration that the database does not have yet; none is fine. Waits for another runtime that is at it.
///
/// # Errors
/// [`MigrationError::NewerSchema`], with nothing changed, if the database knows migrations that this program doesn't.
pub async fn up(db: &DatabaseConnection) -> Result<(), MigrationError> {
    let transaction = exclusive::begin(db).await?;
    // A database user that may not create tables must still be able to find that there is nothing to do.
    if status(&transaction).await?.iter().all(AppliedMigration::is_applied) {
        return Ok(());
    }
    Migrator::up(&transaction, None).await?;
    Ok(transaction.commit().await?)
}

/// Takes back the newest `steps` migrations, **and the data that stands in what they had made**. Asking for more than
/// there are takes back all; 0 does nothing.
///
/// # Errors
/// [`MigrationError::NewerSchema`], with nothing changed, if the newest migrations are not this program's.
pub async fn down(db: &DatabaseConnection, steps: u32) -> Result<(), MigrationError> {
    let transaction = exclusive::begin(db).await?;
    check(&transaction).await?;
    Migrator::down(&transaction, Some(steps)).await?;
    Ok(transaction.commit().await?)
}
