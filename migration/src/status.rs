//! What the database says about its migrations, read without changing anything.

use sea_orm::{DbErr, EntityTrait, QueryOrder};
use sea_orm_migration::{IntoSchemaManagerConnection, MigratorTrait as _, SchemaManager, seaql_migrations};

use crate::{MigrationError, migrator::Migrator};

/// One of this program's migrations, and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// The migration's name; names sort by age.
    pub name: String,
    /// When it was applied, in seconds since 1970 by the clock of the runtime that did it; `None` if it is pending.
    pub applied_at_unix: Option<i64>,
}

impl AppliedMigration {
    /// Whether the database has the migration.
    pub fn is_applied(&self) -> bool {
        self.applied_at_unix.is_some()
    }
}

/// This program's migrations, oldest first, and which of them the database has.
///
/// # Errors
/// [`MigrationError::NewerSchema`] if the database knows others as well.
pub async fn status<'c>(db: impl IntoSchemaManagerConnection<'c>) -> Result<Vec<AppliedMigration>, MigrationError> {
    let applied = applied(db).await?;
    refuse_unknown(&applied)?;
    let migrations = Migrator::get_migration_files().into_iter().map(|migration| AppliedMigration {
        name: migration.name().to_owned(),
        applied_at_unix: applied.iter().find(|row| row.version == migration.name()).map(|row| row.applied_at),
    });
    Ok(migrations.collect())
}

/// Whether this program may use the database as far as its schema is concerned: it has no migrations that this program
/// doesn't know. Pending ones are no obstacle to [`crate::up`].
///
/// # Errors
/// [`MigrationError::NewerSchema`] with the names of those it has.
pub async fn check<'c>(db: impl IntoSchemaManagerConnection<'c>) -> Result<(), MigrationError> {
    refuse_unknown(&applied(db).await?)
}

async fn applied<'c>(db: impl IntoSchemaManagerConnection<'c>) -> Result<Vec<seaql_migrations::Model>, DbErr> {
    let manager = SchemaManager::new(db);
    if !manager.has_table("seaql_migrations").await? {
        return Ok(Vec::new());
    }
    seaql_migrations::Entity::find().order_by_asc(seaql_migrations::Column::Version).all(manager.get_connection()).await
}

fn refuse_unknown(applied: &[seaql_migrations::Model]) -> Result<(), MigrationError> {
    let known = Migrator::get_migration_files();
    let names: Vec<String> = applied
        .iter()
        .map(|row| &row.version)
        .filter(|version| !known.iter().any(|migration| migration.name() == version.as_str()))
        .cloned()
        .collect();
    if names.is_empty() { Ok(()) } else { Err(MigrationError::NewerSchema { names }) }
}
