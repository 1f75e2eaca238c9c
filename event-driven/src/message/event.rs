//! An event on the wire: any JSON object, with the producer and the correlation id in its properties.

use lapin::BasicProperties;
use serde_json::{Map, Value};

use super::{
    DecodeError, Encoded, HeaderError, JsonText, Malformed, Partial, ShortText, field_table_to_json, json_text,
    json_to_field_table, properties,
};

/// One event, decoded and checked against the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct EventMessage {
    /// The key with which it was published.
    pub routing_key: String,
    /// Who published it.
    pub producer_app: ShortText,
    /// What it belongs to.
    pub correlation_id: ShortText,
    /// Its id, if there is one.
    pub message_id: Option<ShortText>,
    /// The AMQP headers, as [`field_table_to_json`] writes them.
    pub headers: Map<String, Value>,
    /// The body: an object.
    pub payload: JsonText,
}

impl EventMessage {
    /// Decodes what was delivered with `routing_key`. `max_size` is the most bytes that a body may have.
    ///
    /// # Errors
    /// If the message breaks the contract.
    pub fn decode(
        routing_key: &str,
        properties: &BasicProperties,
        body: &[u8],
        max_size: usize,
    ) -> Result<Self, Malformed> {
        // Its headers are the producer's own, whatever their names.
        let producer_app = properties::property("app_id", properties.app_id().as_ref());
        let correlation_id = properties::property("correlation_id", properties.correlation_id().as_ref());
        let message_id = properties::optional("message_id", properties.message_id().as_ref());
        let text = checked_text(body, max_size);
        let payload = text.and_then(|text| Ok(JsonText::new(text)?));
        let read = || {
            let payload = payload.clone()?;
            if !payload.is_object() {
                let reason = "the body is JSON, but no object".to_owned();
                return Err(DecodeError::Form { expected: "{…}", reason });
            }
            Ok(Self {
                routing_key: routing_key.to_owned(),
                producer_app: producer_app.clone()?,
                correlation_id: correlation_id.clone()?,
                message_id: message_id.clone()?,
                headers: properties.headers().as_ref().map(field_table_to_json).unwrap_or_default(),
                payload,
            })
        };
        read().map_err(|reason| {
            let partial = Partial {
                task_name: None,
                producer_app: producer_app.clone().ok(),
                correlation_id: correlation_id.clone().ok(),
                message_id: message_id.clone().ok().flatten(),
                payload: payload.clone().ok(),
            };
            Malformed { reason, partial: Box::new(partial) }
        })
    }

    /// The message that says this. Persistent; the timestamp is now.
    ///
    /// # Errors
    /// If a header's name is longer than AMQP allows or its value nests too deep.
    pub fn encode(&self) -> Result<Encoded, HeaderError> {
        let properties =
            properties::persistent_json(&self.producer_app, &self.correlation_id, self.message_id.as_ref())
                .with_headers(json_to_field_table(&self.headers)?);
        Ok(Encoded { properties, body: self.payload.as_str().to_owned().into() })
    }
}

/// The body as a text that is not too long and does not nest too deep.
pub(super) fn checked_text(body: &[u8], max_size: usize) -> Result<&str, DecodeError> {
    if body.len() > max_size {
        return Err(DecodeError::TooLarge { size: body.len(), limit: max_size });
    }
    let text = std::str::from_utf8(body).map_err(|e| DecodeError::NotUtf8 { position: e.valid_up_to() })?;
    json_text::check_depth(text)?;
    Ok(text)
}
