//! `task_cancel`: every runtime asks often for the newest rows, by `requested_at`.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(Clone, Copy, DeriveIden)]
enum TaskCancel {
    Table,
    IdTask,
    RequestedAt,
}

const BY_TIME: &str = "task_cancel_requested_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table(TaskCancel::Table)
            .col(ColumnDef::new(TaskCancel::IdTask).uuid().not_null().primary_key())
            .col(ColumnDef::new(TaskCancel::RequestedAt).timestamp_with_time_zone().not_null());
        manager.create_table(table).await?;
        let index = Index::create().name(BY_TIME).table(TaskCancel::Table).col(TaskCancel::RequestedAt).take();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TaskCancel::Table).take()).await
    }
}
