//! Without the index of message ids: whoever knows a task's producer and its message id knows its key, which is made of the two.
//!
//! It was the dearest of the indexes that every task with a message id paid for, since it holds a text of its own for each row, and
//! nothing of warren's read it. Somebody may have dropped it before, or made it anew.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP INDEX IF EXISTS task_store_message_id").await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index =
            "CREATE INDEX IF NOT EXISTS task_store_message_id ON task_store (message_id) WHERE message_id IS NOT NULL";
        manager.get_connection().execute_unprepared(index).await?;
        Ok(())
    }
}
