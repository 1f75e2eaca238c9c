//! The table `event_outbox` and its indexes, for Postgres and for SQLite from the same code.

use sea_orm_migration::{async_trait, prelude::*, sea_orm::DbBackend};

/// Makes the table `event_outbox`. Belongs into the `Migrator` of the service, at the end of its list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20260801_000001_event_outbox"
    }
}

#[derive(Clone, Copy, DeriveIden)]
enum EventOutbox {
    Table,
    Id,
    MessageId,
    RoutingKey,
    ProducerApp,
    CorrelationId,
    Headers,
    Payload,
    EntityKey,
    CreatedAt,
    Attempts,
    LastError,
    RetryAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(table(manager.get_database_backend())).await?;
        for mut index in indexes() {
            manager.create_index(index.table(EventOutbox::Table).take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(EventOutbox::Table).take()).await
    }
}

fn table(backend: DbBackend) -> TableCreateStatement {
    let mut entity_key = ColumnDef::new(EventOutbox::EntityKey);
    entity_key.text();
    if backend == DbBackend::Postgres {
        // Only its bytes matter; and the order of a language changes with the system's libraries, which breaks an index.
        entity_key.extra("COLLATE \"C\"");
    }
    Table::create()
        .table(EventOutbox::Table)
        // SQLite: AUTOINCREMENT, or the id of the newest row would be given again after it was deleted.
        .col(ColumnDef::new(EventOutbox::Id).big_integer().not_null().auto_increment().primary_key())
        .col(ColumnDef::new(EventOutbox::MessageId).text().not_null())
        .col(ColumnDef::new(EventOutbox::RoutingKey).text().not_null())
        .col(ColumnDef::new(EventOutbox::ProducerApp).text().not_null())
        .col(ColumnDef::new(EventOutbox::CorrelationId).text().not_null())
        .col(ColumnDef::new(EventOutbox::Headers).text().not_null())
        .col(ColumnDef::new(EventOutbox::Payload).text().not_null())
        .col(entity_key)
        .col(ColumnDef::new(EventOutbox::CreatedAt).timestamp_with_time_zone().not_null())
        .col(ColumnDef::new(EventOutbox::Attempts).integer().not_null().default(0))
        .col(ColumnDef::new(EventOutbox::LastError).text())
        .col(ColumnDef::new(EventOutbox::RetryAt).timestamp_with_time_zone())
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        // The first rows of each key, from key to key; and the rows without a key, by age.
        Index::create().name("event_outbox_order").col(EventOutbox::EntityKey).col(EventOutbox::Id).take(),
        // When the next refused row is due. A row that is never refused does not touch it.
        Index::create()
            .name("event_outbox_retry")
            .col(EventOutbox::RetryAt)
            .and_where(Expr::col(EventOutbox::RetryAt).is_not_null())
            .take(),
    ]
}
