//! From a row of the outbox to the message that it is.

use sea_orm::{DbErr, FromQueryResult, QueryResult};

use super::dialect::Dialect;
use crate::{
    message::{EventMessage, JsonText, ShortText},
    publisher::{Publication, PublishError},
};

/// A row, as far as it can be read. One that can't be published must not keep others from it: it is refused as any other.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) entity_key: Option<String>,
    pub(super) attempts: i32,
    pub(super) message: Result<Publication, PublishError>,
}

/// What the message is made of.
#[derive(Debug, FromQueryResult)]
struct Content {
    message_id: String,
    routing_key: String,
    producer_app: String,
    correlation_id: String,
    headers: String,
    payload: String,
    written: Option<i64>,
}

impl Row {
    /// The columns of the row `o` that [`Row::read`] reads. A moment is taken as seconds: Postgres has moments, `infinity`
    /// among them, that can't be read as one.
    pub(super) fn columns(dialect: Dialect) -> String {
        let written = dialect.seconds_since_1970("o.created_at");
        format!(
            "o.id, o.entity_key, o.attempts, o.message_id, o.routing_key, o.producer_app, o.correlation_id, o.headers, \
             o.payload, {written} AS written"
        )
    }

    pub(super) fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let message = match Content::from_query_result(row, "") {
            Ok(content) => content.publication(),
            Err(error) => Err(PublishError::Payload(format!("its row in event_outbox can't be read: {error}"))),
        };
        Ok(Self {
            id: row.try_get("", "id")?,
            entity_key: row.try_get("", "entity_key")?,
            attempts: row.try_get("", "attempts").unwrap_or_default(),
            message,
        })
    }
}

impl Content {
    /// The same each time: its timestamp is the moment at which the event was written.
    ///
    /// # Errors
    /// If somebody else has written or changed the row, and it can't be a message.
    fn publication(&self) -> Result<Publication, PublishError> {
        let text = |what, text: &str| ShortText::new(text).map_err(|reason| PublishError::Text { what, reason });
        let message = EventMessage {
            routing_key: self.routing_key.clone(),
            producer_app: text("the producer", &self.producer_app)?,
            correlation_id: text("the correlation id", &self.correlation_id)?,
            message_id: Some(text("the message id", &self.message_id)?),
            headers: serde_json::from_str(&self.headers)
                .map_err(|error| PublishError::Payload(format!("its headers are no JSON object: {error}")))?,
            payload: JsonText::new(&self.payload).map_err(|error| PublishError::Payload(format!("it {error}")))?,
        };
        let written =
            self.written.ok_or_else(|| PublishError::Payload("its created_at is no moment in time".to_owned()))?;
        let mut publication = Publication::of_event(&message)?;
        publication.properties = publication.properties.with_timestamp(u64::try_from(written).unwrap_or_default());
        Ok(publication)
    }
}
