//! `runtime`: one row for each run of a runtime, with its last sign of life.

use sea_orm::entity::prelude::*;

/// One run of a runtime, from its start to its end or its death.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "runtime")]
pub struct Model {
    /// As in `task_store.runtime_id`.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub runtime_id: String,
    /// The name of the service that it runs as.
    #[sea_orm(column_type = "Text")]
    pub service: String,
    /// The machine that it runs on.
    #[sea_orm(column_type = "Text")]
    pub host: String,
    /// Its process there.
    pub pid: i64,
    /// The version of warren.
    #[sea_orm(column_type = "Text")]
    pub version: String,
    /// How long it may give no sign of life before others take it for gone, in seconds.
    pub lease_seconds: f64,
    /// When it started, by the database's clock.
    pub started_at: DateTimeUtc,
    /// Its last sign of life, by the database's clock.
    pub seen_at: DateTimeUtc,
    /// When it stopped in order.
    pub stopped_at: Option<DateTimeUtc>,
    /// Over how many seconds before `seen_at` the counts go that follow; none as long as there are none.
    pub recent_seconds: Option<f64>,
    /// Tasks that it has recorded as COMPLETED in this time.
    pub recent_completed: Option<i64>,
    /// As FAILED.
    pub recent_failed: Option<i64>,
    /// As CANCELLED.
    pub recent_cancelled: Option<i64>,
}

/// None: what a runtime did says `runtime_id` there.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
