//! Reads the attempts of a task.

use entity::attempt;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::super::{Database, QueryError};

/// The most attempts of one task that are read: 20 retries are the most that can be set, and few are made again.
const MOST: u64 = 100;

impl Database {
    /// What is known of the attempts at the task, oldest first; of more than a hundred the last ones.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn attempts_of(&self, task: Uuid) -> Result<Vec<attempt::Model>, QueryError> {
        let attempts = attempt::Entity::find()
            .filter(attempt::Column::IdTask.eq(task))
            .order_by_desc(attempt::Column::IdAttempt)
            .limit(MOST);
        let mut attempts = attempts.all(&self.reader).await?;
        attempts.reverse();
        Ok(attempts)
    }
}
