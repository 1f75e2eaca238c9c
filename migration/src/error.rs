//! Why a database could not be migrated.

use sea_orm::DbErr;

/// What stands between the database and this program's schema.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A newer warren has migrated the database. Run that version; or, with that version, `warren migrate down`.
    #[error(
        "the database has migrations that this version of warren does not know ({}): use the version that made them",
        .names.join(", ")
    )]
    NewerSchema {
        /// The migrations that this program doesn't know, oldest first.
        names: Vec<String>,
    },
    /// The database refused or was lost. Nothing was changed: it may be tried again.
    #[error("the database could not be migrated: {0}")]
    Database(#[from] DbErr),
}
