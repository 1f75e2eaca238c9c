//! `attempt`: a view with one row for each execution of a task that is known of.
//!
//! Who reads attempts reads them here: the one that completed a task is kept in the task's row in `task_store` as a rule, all
//! others are rows of `task_attempt`.

use sea_orm::entity::prelude::*;

use crate::AttemptOutcome;

/// One attempt. An execution that was cut off by a crash within its first moments has none.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attempt")]
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
    /// Processor time, in microseconds. None of what follows is there if nothing was executed; while it runs, and if it was
    /// cut off, only what was written to stdout and stderr is.
    pub cpu_us: Option<i64>,
    /// The most memory at once, in bytes.
    pub memory_bytes: Option<i64>,
    /// The payload's length, in bytes.
    pub payload_bytes: Option<i64>,
    /// The result's length, in bytes.
    pub result_bytes: Option<i64>,
    /// What was written to stdout and stderr, in bytes.
    pub log_bytes: Option<i64>,
    /// What went over HTTP, if anything did: `requests`, `sent_bytes`, `received_bytes`, `hosts`.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub http: Option<Json>,
    /// The end of what was written to stdout and stderr.
    #[sea_orm(column_type = "Text", nullable)]
    pub log: Option<String>,
}

/// None: what it reads has none.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
