//! The attempt that completed a task is kept in the task's own row: columns of `task_store`; and the view `attempt`, which has
//! all attempts, wherever they are kept.
//!
//! Nearly every task is COMPLETED by its first attempt, and a second row for it would be half of what its record costs. What
//! the row says of that attempt anyway (its number, runtime, component, times) stands there once. No index: those of a task are
//! read by its key.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(Clone, Copy, DeriveIden)]
enum TaskStore {
    Table,
    IdAttempt,
    CpuUs,
    MemoryBytes,
    PayloadBytes,
    ResultBytes,
    LogBytes,
    Http,
    Log,
}

const NUMBERS: [TaskStore; 5] =
    [TaskStore::CpuUs, TaskStore::MemoryBytes, TaskStore::PayloadBytes, TaskStore::ResultBytes, TaskStore::LogBytes];

/// In the order of [`KEPT`].
const COLUMNS: &str = "id_task, id_attempt, attempt, runtime_id, component_digest, started_at, finished_at, outcome, \
     error_class, error, cpu_us, memory_bytes, payload_bytes, result_bytes, log_bytes, http, log";

/// The attempts that are kept in the rows of their tasks. A NULL has a type: only what is of the same types on both sides of the
/// view can Postgres look up by the keys.
const KEPT: &str = "SELECT id_task, id_attempt, attempt, runtime_id, component_digest, started_at, finished_at, \
     CAST('COMPLETED' AS text) AS outcome, CAST(NULL AS text) AS error_class, CAST(NULL AS text) AS error, \
     cpu_us, memory_bytes, payload_bytes, result_bytes, log_bytes, http, log \
     FROM task_store WHERE id_attempt IS NOT NULL";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut columns = vec![ColumnDef::new(TaskStore::IdAttempt).uuid().take()];
        columns.extend(NUMBERS.map(|column| ColumnDef::new(column).big_integer().take()));
        columns.push(ColumnDef::new(TaskStore::Http).json_binary().take());
        columns.push(ColumnDef::new(TaskStore::Log).text().take());
        // SQLite adds one column at a time.
        for mut column in columns {
            manager.alter_table(Table::alter().table(TaskStore::Table).add_column(&mut column).take()).await?;
        }
        let view = format!("CREATE VIEW attempt AS SELECT {COLUMNS} FROM task_attempt UNION ALL {KEPT}");
        manager.get_connection().execute_unprepared(&view).await?;
        Ok(())
    }

    /// The attempts go to `task_attempt`, so that an older version finds them where it looks for them.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        // First what a reader of both would hold while it waits for the table.
        db.execute_unprepared("DROP VIEW attempt").await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            // What was written between the copy and the end of the columns would be lost.
            db.execute_unprepared("LOCK TABLE task_store IN ACCESS EXCLUSIVE MODE").await?;
        }
        let kept = format!("INSERT INTO task_attempt ({COLUMNS}) {KEPT} ON CONFLICT (id_task, id_attempt) DO NOTHING");
        db.execute_unprepared(&kept).await?;
        for column in NUMBERS.into_iter().chain([TaskStore::IdAttempt, TaskStore::Http, TaskStore::Log]) {
            manager.alter_table(Table::alter().table(TaskStore::Table).drop_column(column).take()).await?;
        }
        Ok(())
    }
}
