//! What else a message may ask for: `delayed_task.priority`, and `task_unique` for what is to be the only one of its kind.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(Clone, Copy, DeriveIden)]
enum DelayedTask {
    Table,
    Priority,
}

#[derive(Clone, Copy, DeriveIden)]
enum TaskUnique {
    Table,
    Kind,
    IdTask,
    MessageId,
    IsMadeUp,
    Until,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let priority = ColumnDef::new(DelayedTask::Priority).text().take();
        manager.alter_table(Table::alter().table(DelayedTask::Table).add_column(priority).take()).await?;
        let mut table = Table::create();
        table
            .table(TaskUnique::Table)
            .col(ColumnDef::new(TaskUnique::Kind).text().not_null().primary_key())
            .col(ColumnDef::new(TaskUnique::IdTask).uuid().not_null())
            .col(ColumnDef::new(TaskUnique::MessageId).text().not_null())
            .col(ColumnDef::new(TaskUnique::IsMadeUp).boolean().not_null())
            .col(ColumnDef::new(TaskUnique::Until).timestamp_with_time_zone().not_null());
        manager.create_table(table).await?;
        let by_time = Index::create().name("task_unique_until").table(TaskUnique::Table).col(TaskUnique::Until).take();
        manager.create_index(by_time).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TaskUnique::Table).take()).await?;
        let drop_column = Table::alter().table(DelayedTask::Table).drop_column(DelayedTask::Priority).take();
        manager.alter_table(drop_column).await
    }
}
