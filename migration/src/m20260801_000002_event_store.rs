//! `event_store` and its indexes. Each index costs every write, so each one names the query that it is for.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(Clone, Copy, DeriveIden)]
#[expect(clippy::enum_variant_names, reason = "the variants are named as the columns")]
enum EventStore {
    Table,
    IdEventStore,
    CorrelationId,
    ProducerApp,
    CreatedAt,
    Headers,
    Payload,
    RoutingKey,
    MessageId,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(table()).await?;
        for mut index in indexes() {
            manager.create_index(index.table(EventStore::Table).take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(EventStore::Table).take()).await
    }
}

fn table() -> TableCreateStatement {
    Table::create()
        .table(EventStore::Table)
        .col(ColumnDef::new(EventStore::IdEventStore).uuid().not_null().primary_key())
        .col(ColumnDef::new(EventStore::CorrelationId).text())
        .col(ColumnDef::new(EventStore::ProducerApp).text())
        .col(ColumnDef::new(EventStore::CreatedAt).timestamp_with_time_zone().not_null())
        .col(ColumnDef::new(EventStore::Headers).json_binary())
        .col(ColumnDef::new(EventStore::Payload).json_binary())
        .col(ColumnDef::new(EventStore::RoutingKey).text().not_null())
        .col(ColumnDef::new(EventStore::MessageId).text())
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        // All events, newest first, page by page.
        newest_first("event_store_newest", &[]),
        newest_first("event_store_routing_key", &[EventStore::RoutingKey]),
        newest_first("event_store_producer_app", &[EventStore::ProducerApp]),
        Index::create().name("event_store_correlation_id").col(EventStore::CorrelationId).take(),
    ]
}

fn newest_first(name: &str, filter: &[EventStore]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name);
    for &column in filter {
        index.col(column);
    }
    index.col(EventStore::CreatedAt).col(EventStore::IdEventStore).take()
}
