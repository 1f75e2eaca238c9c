//! What each runtime has brought to its end lately: columns of `runtime`, written with its signs of life.
//!
//! So that how many tasks end a second is read from a handful of rows. An index of `task_store` by `finished_at` would tell it,
//! too, and cost each row one more write.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(Clone, Copy, DeriveIden)]
enum Runtime {
    Table,
    RecentSeconds,
    RecentCompleted,
    RecentFailed,
    RecentCancelled,
}

const COUNTS: [Runtime; 3] = [Runtime::RecentCompleted, Runtime::RecentFailed, Runtime::RecentCancelled];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut columns = vec![ColumnDef::new(Runtime::RecentSeconds).double().take()];
        columns.extend(COUNTS.map(|column| ColumnDef::new(column).big_integer().take()));
        // SQLite adds one column at a time.
        for mut column in columns {
            manager.alter_table(Table::alter().table(Runtime::Table).add_column(&mut column).take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in COUNTS.into_iter().chain([Runtime::RecentSeconds]) {
            manager.alter_table(Table::alter().table(Runtime::Table).drop_column(column).take()).await?;
        }
        Ok(())
    }
}
