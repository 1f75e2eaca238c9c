//! `task_store` and its indexes.
//!
//! Each index costs every write, so each one names the query that it is for, and is partial where that query allows: a
//! task that goes straight to COMPLETED touches neither `unfinished` nor `not_completed`.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(Clone, Copy, DeriveIden)]
enum TaskStore {
    Table,
    IdTask,
    CorrelationId,
    ProducerApp,
    CreatedAt,
    TaskName,
    Payload,
    Status,
    Result,
    Error,
    MessageId,
    RoutingKey,
    Attempt,
    ComponentDigest,
    RuntimeId,
    StartedAt,
    FinishedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(table()).await?;
        for mut index in indexes() {
            manager.create_index(index.table(TaskStore::Table).take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TaskStore::Table).take()).await
    }
}

fn table() -> TableCreateStatement {
    Table::create()
        .table(TaskStore::Table)
        .col(ColumnDef::new(TaskStore::IdTask).uuid().not_null().primary_key())
        .col(ColumnDef::new(TaskStore::CorrelationId).text())
        .col(ColumnDef::new(TaskStore::ProducerApp).text())
        .col(ColumnDef::new(TaskStore::CreatedAt).timestamp_with_time_zone().not_null())
        .col(ColumnDef::new(TaskStore::TaskName).text())
        .col(ColumnDef::new(TaskStore::Payload).json_binary())
        .col(ColumnDef::new(TaskStore::Status).text().not_null())
        .col(ColumnDef::new(TaskStore::Result).json_binary())
        .col(ColumnDef::new(TaskStore::Error).text())
        .col(ColumnDef::new(TaskStore::MessageId).text())
        .col(ColumnDef::new(TaskStore::RoutingKey).text())
        .col(ColumnDef::new(TaskStore::Attempt).integer().not_null().default(0))
        .col(ColumnDef::new(TaskStore::ComponentDigest).text())
        .col(ColumnDef::new(TaskStore::RuntimeId).text())
        .col(ColumnDef::new(TaskStore::StartedAt).timestamp_with_time_zone())
        .col(ColumnDef::new(TaskStore::FinishedAt).timestamp_with_time_zone())
        .check(Expr::col(TaskStore::Status).is_in(["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]))
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        // All tasks, newest first, page by page.
        newest_first("task_store_newest", &[]),
        // Of one status. Nearly all tasks are COMPLETED: those are read from `newest`.
        newest_first("task_store_not_completed", &[TaskStore::Status])
            .and_where(Expr::col(TaskStore::Status).ne("COMPLETED"))
            .take(),
        newest_first("task_store_task_name", &[TaskStore::TaskName]),
        newest_first("task_store_producer_app", &[TaskStore::ProducerApp]),
        Index::create().name("task_store_correlation_id").col(TaskStore::CorrelationId).take(),
        // A redelivered message without an id looks for the row that it had before.
        Index::create()
            .name("task_store_unfinished")
            .col(TaskStore::ProducerApp)
            .col(TaskStore::CorrelationId)
            .and_where(Expr::col(TaskStore::Status).is_in(["PENDING", "RUNNING"]))
            .take(),
        // For people who know the message and not the task.
        Index::create()
            .name("task_store_message_id")
            .col(TaskStore::MessageId)
            .and_where(Expr::col(TaskStore::MessageId).is_not_null())
            .take(),
    ]
}

fn newest_first(name: &str, filter: &[TaskStore]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name);
    for &column in filter {
        index.col(column);
    }
    index.col(TaskStore::CreatedAt).col(TaskStore::IdTask).take()
}
