//! Which task of a kind is the only one for a while: the first that says so, whichever runtime it comes to.

use chrono::{DateTime, Utc};
use entity::task_unique;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use super::super::{Database, QueryError};

impl Database {
    /// Makes this task the only one of `kind` until then, unless there is one; gives the one that it is.
    ///
    /// # Errors
    /// See [`QueryError`]. The same may be asked again, and gives the same.
    pub async fn claim_kind(
        &self,
        kind: &str,
        id: Uuid,
        message_id: &str,
        until: DateTime<Utc>,
    ) -> Result<task_unique::Model, QueryError> {
        let claim = task_unique::ActiveModel {
            kind: Set(kind.to_owned()),
            id_task: Set(id),
            message_id: Set(message_id.to_owned()),
            until: Set(until),
        };
        loop {
            let is_over = Expr::col((task_unique::Entity, task_unique::Column::Until)).lte(self.clock().now());
            let taken = OnConflict::column(task_unique::Column::Kind)
                .update_columns([
                    task_unique::Column::IdTask,
                    task_unique::Column::MessageId,
                    task_unique::Column::Until,
                ])
                .action_and_where(is_over)
                .to_owned();
            task_unique::Entity::insert(claim.clone())
                .on_conflict(taken)
                .exec_without_returning(self.single_writes())
                .await?;
            // None if it was forgotten in between, since its time is over.
            if let Some(holder) = task_unique::Entity::find_by_id(kind).one(self.single_writes()).await? {
                return Ok(holder);
            }
        }
    }

    /// Forgets the kinds whose time is over.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn forget_old_kinds(&self) -> Result<(), QueryError> {
        let old = task_unique::Column::Until.lt(self.clock().now());
        task_unique::Entity::delete_many().filter(old).exec(self.single_writes()).await?;
        Ok(())
    }
}
