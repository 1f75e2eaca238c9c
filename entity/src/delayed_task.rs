//! `delayed_task`: the messages of tasks that wait for their time.

use sea_orm::entity::prelude::*;

/// One message, as it is published when its time has come; then its row goes. The task's own row is in `task_store`.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "delayed_task")]
pub struct Model {
    /// The task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id_task: Uuid,
    /// When it is to be published.
    pub due_at: DateTimeUtc,
    /// Until when one runtime has the right to publish it.
    pub claimed_until: Option<DateTimeUtc>,
    /// The key that it is published with.
    #[sea_orm(column_type = "Text")]
    pub routing_key: String,
    /// The component that is asked for.
    #[sea_orm(column_type = "Text")]
    pub task_name: String,
    /// The argument: a JSON text.
    #[sea_orm(column_type = "Text")]
    pub payload: String,
    /// Who published it.
    #[sea_orm(column_type = "Text")]
    pub producer_app: String,
    /// What it belongs to.
    #[sea_orm(column_type = "Text")]
    pub correlation_id: String,
    /// What it is known by; the task's identifier is made of it and of the producer.
    #[sea_orm(column_type = "Text")]
    pub message_id: String,
    /// The queue for the result, if one is wanted.
    #[sea_orm(column_type = "Text", nullable)]
    pub reply_to: Option<String>,
    /// W3C trace context: the parent span.
    #[sea_orm(column_type = "Text", nullable)]
    pub traceparent: Option<String>,
    /// W3C trace context: what vendors add to it.
    #[sea_orm(column_type = "Text", nullable)]
    pub tracestate: Option<String>,
    /// The class, as in `x-priority`; none: normal.
    pub priority: Option<String>,
}

/// None that the database keeps: rows of tasks are removed without a look at this table.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
