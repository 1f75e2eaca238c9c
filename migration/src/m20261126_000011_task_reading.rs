//! Indexes for lists of tasks by class of error, and by two words at once; and who deletes what is old (`retention_claim`).
//!
//! What two words cost together is settled within an index: the columns behind its order are there to be compared, so that rows
//! which are not asked for are passed over without a look at the table. Both that are so wide are partial: a task that goes
//! straight to COMPLETED touches neither. `docs/operating.md` has what each query takes, and what each index costs.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Each by its name and by what stands behind `ON task_store`.
const NEW: [(&str, &str); 3] = [
    // Of one status, also of one name or producer. Takes the place of `not_completed`.
    ("task_store_status", "(status, created_at, id_task, task_name, producer_app) WHERE status <> 'COMPLETED'"),
    // Of one correlation id, in order: a batch may have a hundred thousand. Takes the place of `correlation_id`.
    ("task_store_correlation", "(correlation_id, created_at)"),
    // What is not over, in order: what is stuck, and what `warren dev` takes up again.
    ("task_store_open", "(created_at, id_task) WHERE status IN ('PENDING', 'RUNNING')"),
];

const OLD: [(&str, &str); 2] = [
    ("task_store_not_completed", "(status, created_at, id_task) WHERE status <> 'COMPLETED'"),
    ("task_store_correlation_id", "(correlation_id)"),
];

const ERROR_CLASS: &str = "task_store_error_class";

#[derive(Clone, Copy, DeriveIden)]
enum RetentionClaim {
    Table,
    Name,
    RuntimeId,
    ClaimedUntil,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // First what takes the strongest lock, while nothing else is held: a statement that has read the table and is about to
        // write to it would wait for the one lock and be waited for with the other.
        drop_all(manager, OLD.iter().map(|(name, _)| *name)).await?;
        create(manager, &NEW).await?;
        let class = error_class(manager.get_database_backend());
        create(manager, &[(ERROR_CLASS, &class)]).await?;
        let mut table = Table::create();
        table
            .table(RetentionClaim::Table)
            .col(ColumnDef::new(RetentionClaim::Name).text().not_null().primary_key())
            .col(ColumnDef::new(RetentionClaim::RuntimeId).text().not_null())
            .col(ColumnDef::new(RetentionClaim::ClaimedUntil).timestamp_with_time_zone().not_null());
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(RetentionClaim::Table).take()).await?;
        drop_all(manager, NEW.iter().map(|(name, _)| *name).chain([ERROR_CLASS])).await?;
        create(manager, &OLD).await
    }
}

/// Of one class of errors, also of one status, name or producer. The class is what stands before the colon.
fn error_class(backend: DbBackend) -> String {
    let class = match backend {
        DbBackend::Postgres => "split_part(error, ':', 1)",
        _ => "substr(error, 1, instr(error, ':') - 1)",
    };
    format!("({class}, created_at, id_task, status, task_name, producer_app) WHERE error IS NOT NULL")
}

async fn create(manager: &SchemaManager<'_>, indexes: &[(&str, &str)]) -> Result<(), DbErr> {
    for (name, what) in indexes {
        manager.get_connection().execute_unprepared(&format!("CREATE INDEX {name} ON task_store {what}")).await?;
    }
    Ok(())
}

async fn drop_all(manager: &SchemaManager<'_>, names: impl Iterator<Item = &'static str>) -> Result<(), DbErr> {
    for name in names {
        manager.get_connection().execute_unprepared(&format!("DROP INDEX {name}")).await?;
    }
    Ok(())
}
