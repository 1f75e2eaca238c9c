//! `event_outbox`: one row for each event that is committed and not yet published.

use sea_orm::entity::prelude::*;

/// One event. Written in the transaction of what it tells of, deleted when RabbitMQ has confirmed it.
///
/// Headers and payload are texts, not `jsonb`: they go out byte for byte as they were written, and `jsonb` would refuse
/// some (`\u0000`) and change others.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_outbox")]
pub struct Model {
    /// Increases; the order of the events of one entity. Never used twice.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The message's id: the same however often the event has to be sent.
    #[sea_orm(column_type = "Text")]
    pub message_id: String,
    /// The key that the event is published with: `routing.event.T.E`.
    #[sea_orm(column_type = "Text")]
    pub routing_key: String,
    /// The service that wrote the event; the message's `app_id`.
    #[sea_orm(column_type = "Text")]
    pub producer_app: String,
    /// What the event belongs to.
    #[sea_orm(column_type = "Text")]
    pub correlation_id: String,
    /// The message's headers, `traceparent` among them: a JSON text, an object.
    #[sea_orm(column_type = "Text")]
    pub headers: String,
    /// The message's body: a JSON text, an object.
    #[sea_orm(column_type = "Text")]
    pub payload: String,
    /// Which entity the event is about: `user/17`. Events with the same key are published in order; without one, in any.
    #[sea_orm(column_type = "Text", nullable)]
    pub entity_key: Option<String>,
    /// When the event was written, by the clock of the service; the message's timestamp.
    pub created_at: DateTimeUtc,
    /// How often RabbitMQ has refused the event, or was lost over it alone.
    pub attempts: i32,
    /// Why it was refused the last time.
    #[sea_orm(column_type = "Text", nullable)]
    pub last_error: Option<String>,
    /// When it is tried again, by the clock of the database; `NULL` until it is refused. Set it to `NULL` to have it tried
    /// at once.
    pub retry_at: Option<DateTimeUtc>,
}

/// None: an event stands for itself.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
