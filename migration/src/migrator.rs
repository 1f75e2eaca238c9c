//! The list of migrations. A new one goes to the end; one that was released is never changed.

use sea_orm_migration::{MigrationTrait, MigratorTrait, async_trait};

use crate::{
    m20260801_000001_task_store, m20260801_000002_event_store, m20261126_000003_task_attempt, m20261126_000004_runtime,
    m20261126_000005_receipt, m20261126_000006_task_cancel, m20261126_000007_delayed_task, m20261126_000008_schedule,
    m20261126_000009_task_wishes, m20261126_000010_runtime_recent, m20261126_000011_task_reading,
    m20261126_000012_attempt_in_row, m20261126_000013_compression, m20261128_000014_message_key,
};

pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20260801_000001_task_store::Migration),
            Box::new(m20260801_000002_event_store::Migration),
            Box::new(m20261126_000003_task_attempt::Migration),
            Box::new(m20261126_000004_runtime::Migration),
            Box::new(m20261126_000005_receipt::Migration),
            Box::new(m20261126_000006_task_cancel::Migration),
            Box::new(m20261126_000007_delayed_task::Migration),
            Box::new(m20261126_000008_schedule::Migration),
            Box::new(m20261126_000009_task_wishes::Migration),
            Box::new(m20261126_000010_runtime_recent::Migration),
            Box::new(m20261126_000011_task_reading::Migration),
            Box::new(m20261126_000012_attempt_in_row::Migration),
            Box::new(m20261126_000013_compression::Migration),
            Box::new(m20261128_000014_message_key::Migration),
        ]
    }
}
