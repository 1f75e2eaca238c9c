//! What each attempt used: columns of `task_attempt`. None has an index, since they are read by the key or summed up.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(Clone, Copy, DeriveIden)]
enum TaskAttempt {
    Table,
    CpuUs,
    MemoryBytes,
    PayloadBytes,
    ResultBytes,
    LogBytes,
    Http,
    Log,
}

const NUMBERS: [TaskAttempt; 5] = [
    TaskAttempt::CpuUs,
    TaskAttempt::MemoryBytes,
    TaskAttempt::PayloadBytes,
    TaskAttempt::ResultBytes,
    TaskAttempt::LogBytes,
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut columns = NUMBERS.map(|column| ColumnDef::new(column).big_integer().take()).to_vec();
        columns.push(ColumnDef::new(TaskAttempt::Http).json_binary().take());
        columns.push(ColumnDef::new(TaskAttempt::Log).text().take());
        // SQLite adds one column at a time.
        for mut column in columns {
            manager.alter_table(Table::alter().table(TaskAttempt::Table).add_column(&mut column).take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in NUMBERS.into_iter().chain([TaskAttempt::Http, TaskAttempt::Log]) {
            manager.alter_table(Table::alter().table(TaskAttempt::Table).drop_column(column).take()).await?;
        }
        Ok(())
    }
}
