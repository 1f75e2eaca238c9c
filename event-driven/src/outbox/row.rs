//! From a row of the outbox to the message that it is.

use crate::{
    message::{EventMessage, JsonText, ShortText},
    publisher::{Publication, PublishError},
};

use super::event_outbox::Model;

/// The message of a row. The same each time: its timestamp is the moment at which the event was written.
///
/// # Errors
/// If somebody else has written or changed the row, and it can't be a message.
pub(super) fn publication(row: &Model, mandatory: bool) -> Result<Publication, PublishError> {
    let text = |what, text: &str| ShortText::new(text).map_err(|reason| PublishError::Text { what, reason });
    let message = EventMessage {
        routing_key: row.routing_key.clone(),
        producer_app: text("the producer", &row.producer_app)?,
        correlation_id: text("the correlation id", &row.correlation_id)?,
        message_id: Some(text("the message id", &row.message_id)?),
        headers: serde_json::from_str(&row.headers)
            .map_err(|error| PublishError::Payload(format!("its headers are no JSON object: {error}")))?,
        payload: JsonText::new(&row.payload).map_err(|error| PublishError::Payload(format!("it {error}")))?,
    };
    let mut publication = Publication::of_event(&message)?;
    publication.mandatory = mandatory;
    let written = u64::try_from(row.created_at.timestamp()).unwrap_or_default();
    publication.properties = publication.properties.with_timestamp(written);
    Ok(publication)
}
