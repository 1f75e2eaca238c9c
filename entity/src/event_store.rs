//! `event_store`: one row for each event that was published.

use sea_orm::entity::prelude::*;

/// One event. Written once, never changed.
#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_store")]
pub struct Model {
    /// The event's identifier. Of a message with a `message_id`: made of its producer and that id, as a task's.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id_event_store: Uuid,
    /// Ties the event to what else happened for the same cause; chosen by the producer.
    #[sea_orm(column_type = "Text", nullable)]
    pub correlation_id: Option<String>,
    /// The service that published the event.
    #[sea_orm(column_type = "Text", nullable)]
    pub producer_app: Option<String>,
    /// When the event was stored.
    pub created_at: DateTimeUtc,
    /// The message's headers: a JSON text, an object.
    #[sea_orm(column_type = "JsonBinary", nullable, select_as = "text")]
    pub headers: Option<String>,
    /// The message's body: a JSON text.
    #[sea_orm(column_type = "JsonBinary", nullable, select_as = "text")]
    pub payload: Option<String>,
    /// The key that the event was published with: `routing.event.T.E`.
    #[sea_orm(column_type = "Text")]
    pub routing_key: String,
    /// The producer's identifier of the message.
    #[sea_orm(column_type = "Text", nullable)]
    pub message_id: Option<String>,
}

/// None: an event stands for itself.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
