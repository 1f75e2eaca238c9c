//! `delayed_task`: asked for what is due, by `due_at`.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(Clone, Copy, DeriveIden)]
enum DelayedTask {
    Table,
    IdTask,
    DueAt,
    ClaimedUntil,
    RoutingKey,
    TaskName,
    Payload,
    ProducerApp,
    CorrelationId,
    MessageId,
    ReplyTo,
    Traceparent,
    Tracestate,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table(DelayedTask::Table)
            .col(ColumnDef::new(DelayedTask::IdTask).uuid().not_null().primary_key())
            .col(ColumnDef::new(DelayedTask::DueAt).timestamp_with_time_zone().not_null())
            .col(ColumnDef::new(DelayedTask::ClaimedUntil).timestamp_with_time_zone());
        for column in [
            DelayedTask::RoutingKey,
            DelayedTask::TaskName,
            DelayedTask::Payload,
            DelayedTask::ProducerApp,
            DelayedTask::CorrelationId,
            DelayedTask::MessageId,
        ] {
            table.col(ColumnDef::new(column).text().not_null());
        }
        for column in [DelayedTask::ReplyTo, DelayedTask::Traceparent, DelayedTask::Tracestate] {
            table.col(ColumnDef::new(column).text());
        }
        manager.create_table(table).await?;
        let by_time =
            Index::create().name("delayed_task_due_at").table(DelayedTask::Table).col(DelayedTask::DueAt).take();
        manager.create_index(by_time).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(DelayedTask::Table).take()).await
    }
}
