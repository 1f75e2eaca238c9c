//! One event, as it is to be stored.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::event_store;
use uuid::Uuid;

use super::stored_text;
use crate::outcome::Failure;

/// One event: a row of `event_store`. Written once: a second row of the same id changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The event's identifier.
    pub id: Uuid,
    /// Chosen by the producer; ties the event to what else happened for the same cause.
    pub correlation_id: Option<Arc<str>>,
    /// The service that published the event.
    pub producer_app: Option<Arc<str>>,
    /// When the event was stored.
    pub created_at: DateTime<Utc>,
    /// The message's headers: a JSON text, an object.
    pub headers: Option<Arc<str>>,
    /// The message's body: a JSON text that was checked.
    pub payload: Option<Arc<str>>,
    /// The key that the event was published with.
    pub routing_key: Arc<str>,
    /// The producer's identifier of the message.
    pub message_id: Option<Arc<str>>,
    /// Whether the event is not stored as far as this runtime knows. It may be wrong: a hint, for speed alone.
    pub presumed_new: bool,
}

impl EventRow {
    /// The row to store in place of one that the database refused: without payload, with over-long texts cut, and with
    /// `reason` as the header `x-error` in place of all others.
    #[must_use]
    pub fn storable(mut self, reason: &str) -> Self {
        let reason = Failure::unstorable(reason).to_string().replace('\0', stored_text::REPLACEMENT);
        self.headers = Some(serde_json::json!({ "x-error": reason }).to_string().into());
        self.payload = None;
        let mut key = Some(self.routing_key.clone());
        for text in [&mut self.correlation_id, &mut self.producer_app, &mut self.message_id, &mut key] {
            stored_text::cut(text);
        }
        self.routing_key = key.unwrap_or_default();
        self.clean()
    }

    /// Whether there is nothing to replace.
    pub(super) fn is_clean(&self) -> bool {
        let texts = [&self.correlation_id, &self.producer_app, &self.message_id];
        !stored_text::has_nul(&self.routing_key) && !texts.into_iter().flatten().any(|text| stored_text::has_nul(text))
    }

    /// Replaces what no `text` column can hold.
    pub(super) fn clean(mut self) -> Self {
        let mut key = Some(self.routing_key.clone());
        for text in [&mut self.correlation_id, &mut self.producer_app, &mut self.message_id, &mut key] {
            stored_text::replace_nul(text);
        }
        self.routing_key = key.unwrap_or_default();
        self
    }

    /// Roughly what the row weighs in a statement, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let texts = [&self.payload, &self.headers, &self.correlation_id, &self.message_id];
        128 + texts.into_iter().flatten().map(|text| text.len()).sum::<usize>()
    }
}

impl From<event_store::Model> for EventRow {
    fn from(stored: event_store::Model) -> Self {
        let text = |value: Option<String>| value.map(Arc::from);
        Self {
            id: stored.id_event_store,
            correlation_id: text(stored.correlation_id),
            producer_app: text(stored.producer_app),
            created_at: stored.created_at,
            headers: text(stored.headers),
            payload: text(stored.payload),
            routing_key: stored.routing_key.into(),
            message_id: text(stored.message_id),
            presumed_new: false,
        }
    }
}
