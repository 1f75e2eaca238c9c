//! `task_attempt`: one row for each execution of a task that is known of.

use sea_orm::entity::prelude::*;

use crate::AttemptOutcome;

/// One attempt. An execution that was cut off by a crash within its first moments has none.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task_attempt")]
pub struct Model {
    /// The task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id_task: Uuid,
    /// The attempt's identifier: a UUIDv7, so that those of a task sort by age.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id_attempt: Uuid,
    /// Its number, counted from 0. More than one row may have the same: what was interrupted or lost is made again.
    pub attempt: i32,
    /// The runtime that made it.
    #[sea_orm(column_type = "Text")]
    pub runtime_id: String,
    /// The digest of the component that it ran; none if it did not come that far.
    #[sea_orm(column_type = "Text", nullable)]
    pub component_digest: Option<String>,
    /// When it began.
    pub started_at: DateTimeUtc,
    /// When it ended; of a lost one, when that was noticed.
    pub finished_at: Option<DateTimeUtc>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What kind of failure it was, as in `task_store.error` before the colon.
    #[sea_orm(column_type = "Text", nullable)]
    pub error_class: Option<String>,
    /// What happened.
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
}

/// None that the database keeps: rows of tasks are removed without a look at this table.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
