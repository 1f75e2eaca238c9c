//! `task_cancel`: the tasks that somebody wants cancelled.

use sea_orm::entity::prelude::*;

/// One wish. It stays after the task's end, so that a runtime which was away finds it.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task_cancel")]
pub struct Model {
    /// The task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id_task: Uuid,
    /// When it was last asked for, by the database's clock.
    pub requested_at: DateTimeUtc,
}

/// None that the database keeps: rows of tasks are removed without a look at this table.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
