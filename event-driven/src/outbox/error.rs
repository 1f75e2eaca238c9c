//! Why an event was not written to the outbox.

use sea_orm::DbErr;

use crate::publisher::PublishError;

/// Why an event was not written to the outbox. Roll the transaction back: what it tells of must not be committed alone.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// It could never be published. Nothing was written.
    #[error(transparent)]
    Event(#[from] PublishError),
    /// The database refused it, was lost, or is neither Postgres nor SQLite.
    #[error("the event was not written to event_outbox: {0}")]
    Database(#[from] DbErr),
}
