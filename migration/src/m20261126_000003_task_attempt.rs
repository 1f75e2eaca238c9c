//! `task_attempt` and its indexes.
//!
//! Each task writes here at least once, so there is one index that every row pays for: the key, which serves "all attempts
//! of this task". The other one holds what is under way only.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(Clone, Copy, DeriveIden)]
enum TaskAttempt {
    Table,
    IdTask,
    IdAttempt,
    Attempt,
    RuntimeId,
    ComponentDigest,
    StartedAt,
    FinishedAt,
    Outcome,
    ErrorClass,
    Error,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(table()).await?;
        // Those of runtimes that are gone are told as lost.
        let mut under_way = Index::create()
            .name("task_attempt_under_way")
            .col(TaskAttempt::RuntimeId)
            .and_where(Expr::col(TaskAttempt::Outcome).eq("RUNNING"))
            .take();
        manager.create_index(under_way.table(TaskAttempt::Table).take()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TaskAttempt::Table).take()).await
    }
}

fn table() -> TableCreateStatement {
    Table::create()
        .table(TaskAttempt::Table)
        .col(ColumnDef::new(TaskAttempt::IdTask).uuid().not_null())
        .col(ColumnDef::new(TaskAttempt::IdAttempt).uuid().not_null())
        .col(ColumnDef::new(TaskAttempt::Attempt).integer().not_null())
        .col(ColumnDef::new(TaskAttempt::RuntimeId).text().not_null())
        .col(ColumnDef::new(TaskAttempt::ComponentDigest).text())
        .col(ColumnDef::new(TaskAttempt::StartedAt).timestamp_with_time_zone().not_null())
        .col(ColumnDef::new(TaskAttempt::FinishedAt).timestamp_with_time_zone())
        .col(ColumnDef::new(TaskAttempt::Outcome).text().not_null())
        .col(ColumnDef::new(TaskAttempt::ErrorClass).text())
        .col(ColumnDef::new(TaskAttempt::Error).text())
        .primary_key(Index::create().col(TaskAttempt::IdTask).col(TaskAttempt::IdAttempt))
        .check(Expr::col(TaskAttempt::Outcome).is_in(["RUNNING", "COMPLETED", "FAILED", "INTERRUPTED", "LOST"]))
        .take()
}
