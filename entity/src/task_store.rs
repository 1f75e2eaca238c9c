//! `task_store`: one row for each task, from its acceptance to its end.

use sea_orm::entity::prelude::*;

use crate::TaskStatus;

/// One task. A message that breaks the contract has a row too, with what could be told from it: that is why so much
/// may be missing.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task_store")]
pub struct Model {
    /// The task's identifier. Of a message with a `message_id`: made of its producer and that id, so that the same
    /// message can't have two rows. UUIDv5, or if that id is a UUIDv7 one of version 8 that begins with the same time.
    /// One that breaks the contract has another one, so that it can't touch a good one's.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id_task: Uuid,
    /// Ties the task to what else happened for the same cause; chosen by the producer.
    #[sea_orm(column_type = "Text", nullable)]
    pub correlation_id: Option<String>,
    /// The service that asked for the task.
    #[sea_orm(column_type = "Text", nullable)]
    pub producer_app: Option<String>,
    /// When the task was first seen. Never overwritten.
    pub created_at: DateTimeUtc,
    /// The name of the component that the task asks for.
    #[sea_orm(column_type = "Text", nullable)]
    pub task_name: Option<String>,
    /// The task's argument: a JSON text.
    #[sea_orm(column_type = "JsonBinary", nullable, select_as = "text")]
    pub payload: Option<String>,
    /// Where the task stands.
    pub status: TaskStatus,
    /// What the component returned: a JSON text. Only of a COMPLETED task.
    #[sea_orm(column_type = "JsonBinary", nullable, select_as = "text")]
    pub result: Option<String>,
    /// Why the last attempt failed: its class, a colon, what happened.
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    /// The producer's identifier of the message; makes the task idempotent.
    #[sea_orm(column_type = "Text", nullable)]
    pub message_id: Option<String>,
    /// The key that the message was published with.
    #[sea_orm(column_type = "Text", nullable)]
    pub routing_key: Option<String>,
    /// The last attempt, counted from 0.
    pub attempt: i32,
    /// The digest of the component that the last attempt ran.
    #[sea_orm(column_type = "Text", nullable)]
    pub component_digest: Option<String>,
    /// The runtime that made the last attempt.
    #[sea_orm(column_type = "Text", nullable)]
    pub runtime_id: Option<String>,
    /// When the last attempt began.
    pub started_at: Option<DateTimeUtc>,
    /// When the task came to its end.
    pub finished_at: Option<DateTimeUtc>,
    /// The attempt that completed the task, if it is kept here: then it has no row in `task_attempt`, and what follows is its
    /// own, as there. The view `attempt` has both.
    pub id_attempt: Option<Uuid>,
    /// Processor time, in microseconds.
    pub cpu_us: Option<i64>,
    /// The most memory at once, in bytes.
    pub memory_bytes: Option<i64>,
    /// The payload's length, in bytes.
    pub payload_bytes: Option<i64>,
    /// The result's length, in bytes.
    pub result_bytes: Option<i64>,
    /// What was written to stdout and stderr, in bytes.
    pub log_bytes: Option<i64>,
    /// What went over HTTP, if anything did.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub http: Option<Json>,
    /// The end of what was written to stdout and stderr.
    #[sea_orm(column_type = "Text", nullable)]
    pub log: Option<String>,
}

/// None: a task stands for itself.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
