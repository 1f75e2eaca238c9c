//! `schedule`: asked each second for the next tick. There are few rows and each is changed by its ticks: no index but the key.
//! The payload is the last column, so that what is asked for is found without a look at it.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(Clone, Copy, DeriveIden)]
enum Schedule {
    Table,
    Name,
    Cron,
    TimeZone,
    TaskName,
    CreatedAt,
    NextAt,
    LastAt,
    Payload,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table(Schedule::Table).col(ColumnDef::new(Schedule::Name).text().not_null().primary_key());
        for column in [Schedule::Cron, Schedule::TimeZone, Schedule::TaskName] {
            table.col(ColumnDef::new(column).text().not_null());
        }
        for column in [Schedule::CreatedAt, Schedule::NextAt] {
            table.col(ColumnDef::new(column).timestamp_with_time_zone().not_null());
        }
        table
            .col(ColumnDef::new(Schedule::LastAt).timestamp_with_time_zone())
            .col(ColumnDef::new(Schedule::Payload).text().not_null());
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Schedule::Table).take()).await
    }
}
