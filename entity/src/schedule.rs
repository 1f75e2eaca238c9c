//! `schedule`: tasks that are asked for again and again, at times that a cron line says.

use sea_orm::entity::prelude::*;

/// One schedule, and when its next tick is.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "schedule")]
pub struct Model {
    /// What it is called; its ticks are known by it.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub name: String,
    /// When its ticks are: five fields, or six with seconds first.
    #[sea_orm(column_type = "Text")]
    pub cron: String,
    /// Whose clock the cron line means: a name of the IANA database.
    #[sea_orm(column_type = "Text")]
    pub time_zone: String,
    /// The component that is asked for.
    #[sea_orm(column_type = "Text")]
    pub task_name: String,
    /// When it was added.
    pub created_at: DateTimeUtc,
    /// When its next tick is.
    pub next_at: DateTimeUtc,
    /// The time of its last tick.
    pub last_at: Option<DateTimeUtc>,
    /// The argument: a JSON text.
    #[sea_orm(column_type = "Text")]
    pub payload: String,
}

/// None: a tick's task knows its schedule by its message id alone, and outlives it.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
