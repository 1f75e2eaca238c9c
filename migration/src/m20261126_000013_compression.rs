//! Large texts and JSON are compressed by lz4 on Postgres, where it was built with that (its packages are).
//!
//! What is larger than 2 KB is compressed before it is stored, and that is most of what a large payload costs: Postgres' own method
//! takes some 20 ns a byte, lz4 a small part of that. Only what is written from now on changes. Without lz4, and
//! before Postgres 14, nothing does; on a server that gets it later, the statements of [`set_compression`] do the same by hand.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// In the order in which the recorder and the readers of the view `attempt` lock the tables.
const COLUMNS: [(&str, &str); 8] = [
    ("task_attempt", "error"),
    ("task_attempt", "log"),
    ("task_store", "payload"),
    ("task_store", "result"),
    ("task_store", "error"),
    ("task_store", "log"),
    ("event_store", "payload"),
    ("event_store", "headers"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A method that the server was not built with is `feature_not_supported`, words that it does not know are `syntax_error`.
        let set = set_compression("lz4");
        let set = format!("BEGIN {set} EXCEPTION WHEN feature_not_supported OR syntax_error THEN NULL; END");
        on_postgres(manager, &set).await
    }

    /// What is stored stays readable.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let set = set_compression("default");
        on_postgres(manager, &format!("BEGIN {set} EXCEPTION WHEN syntax_error THEN NULL; END")).await
    }
}

/// By `EXECUTE`, so that an older server reads it only here.
fn set_compression(method: &str) -> String {
    let set = COLUMNS.map(|(table, column)| {
        format!("EXECUTE 'ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION {method}';")
    });
    set.join(" ")
}

/// As one block, which fails and is forgotten as a whole.
async fn on_postgres(manager: &SchemaManager<'_>, block: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Postgres {
        manager.get_connection().execute_unprepared(&format!("DO $$ {block} $$")).await?;
    }
    Ok(())
}
