//! `task_unique`: the tasks that are the only ones of their kind for a while.

use sea_orm::entity::prelude::*;

/// Of one kind, the task that is executed; another one of the kind takes its place when its time is over.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task_unique")]
pub struct Model {
    /// SHA-256 of the producer, the task's name and its payload, in hexadecimal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    /// The task.
    pub id_task: Uuid,
    /// The id of its message, its own or one that it was given.
    pub message_id: String,
    /// Whether that id is one that it was given.
    pub is_made_up: bool,
    /// Until when, by the database's clock.
    pub until: DateTimeUtc,
}

/// None that the database keeps: rows of tasks are removed without a look at this table.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
