//! `runtime`: a handful of rows, found by their key.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(Clone, Copy, DeriveIden)]
#[expect(clippy::enum_variant_names, reason = "the variants are named as the columns")]
enum Runtime {
    Table,
    RuntimeId,
    Service,
    Host,
    Pid,
    Version,
    LeaseSeconds,
    StartedAt,
    SeenAt,
    StoppedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table(Runtime::Table)
            .col(ColumnDef::new(Runtime::RuntimeId).text().not_null().primary_key())
            .col(ColumnDef::new(Runtime::Service).text().not_null())
            .col(ColumnDef::new(Runtime::Host).text().not_null())
            .col(ColumnDef::new(Runtime::Pid).big_integer().not_null())
            .col(ColumnDef::new(Runtime::Version).text().not_null())
            .col(ColumnDef::new(Runtime::LeaseSeconds).double().not_null())
            .col(ColumnDef::new(Runtime::StartedAt).timestamp_with_time_zone().not_null())
            .col(ColumnDef::new(Runtime::SeenAt).timestamp_with_time_zone().not_null())
            .col(ColumnDef::new(Runtime::StoppedAt).timestamp_with_time_zone());
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Runtime::Table).take()).await
    }
}
