//! How a task ended, and the reply that says so to whoever asked for one (`reply_to`).
//!
//! Body: the result itself of a task that completed, else `{"error": "class: message"}`. Headers: `x-status`, and
//! `x-task-id` where the task has an id. The correlation id is the task's.

use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};

use super::{Encoded, JsonText, ShortText, properties};

/// The header that says how the task ended: `COMPLETED`, `FAILED` or `CANCELLED`.
pub const STATUS_HEADER: &str = "x-status";

/// The header with the task's id.
pub const ID_HEADER: &str = "x-task-id";

const COMPLETED: &str = "COMPLETED";
const FAILED: &str = "FAILED";
const CANCELLED: &str = "CANCELLED";

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It returned this result.
    Completed(JsonText),
    /// It failed for good, for this reason.
    Failed(String),
    /// Somebody cancelled it.
    Cancelled(String),
}

impl Outcome {
    /// As the task's row says it: `COMPLETED`, `FAILED` or `CANCELLED`.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Completed(_) => COMPLETED,
            Self::Failed(_) => FAILED,
            Self::Cancelled(_) => CANCELLED,
        }
    }

    /// The reply that says this.
    pub fn encode(&self, correlation_id: &ShortText, task_id: Option<&str>) -> Encoded {
        let body: Bytes = match self {
            Self::Completed(result) => result.as_str().to_owned().into(),
            Self::Failed(error) | Self::Cancelled(error) => json!({ "error": error }).to_string().into(),
        };
        let mut headers = FieldTable::default();
        headers.insert(STATUS_HEADER.into(), AMQPValue::LongString(self.status().into()));
        if let Some(id) = task_id {
            headers.insert(ID_HEADER.into(), AMQPValue::LongString(id.into()));
        }
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_correlation_id(correlation_id.to_short_string())
            .with_headers(headers);
        Encoded { properties, body }
    }

    /// Reads a reply. Without `x-status`, as other programs may reply, a body that is JSON is a result. Nothing that may
    /// come is an error: a reply that can't be read is an outcome that failed.
    pub fn decode(reply: &BasicProperties, body: &[u8]) -> Self {
        let status = properties::header_value(reply, STATUS_HEADER).and_then(properties::text);
        let text = String::from_utf8_lossy(body);
        match status {
            Some(COMPLETED) | None => match JsonText::new(&text) {
                Ok(result) => Self::Completed(result),
                Err(error) => Self::Failed(format!("the reply {error}")),
            },
            Some(CANCELLED) => Self::Cancelled(error_in(&text)),
            Some(_) => Self::Failed(error_in(&text)),
        }
    }
}

/// The text of `{"error": …}`, or the whole body if it has another form.
fn error_in(body: &str) -> String {
    let read: Option<Value> = serde_json::from_str(body).ok();
    match read.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str) {
        Some(error) => error.to_owned(),
        None => body.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_reads_back() {
        let id = ShortText::new("c").unwrap();
        for outcome in [
            Outcome::Completed(JsonText::new("[1]").unwrap()),
            Outcome::Failed("business: \"no\"".to_owned()),
            Outcome::Cancelled("cancelled: by hand".to_owned()),
        ] {
            let Encoded { properties, body } = outcome.encode(&id, Some("4711"));
            assert_eq!(Outcome::decode(&properties, &body), outcome);
            assert_eq!(properties.correlation_id(), &Some("c".into()));
        }
    }

    #[test]
    fn replies_of_other_programs() {
        let none = BasicProperties::default();
        assert_eq!(Outcome::decode(&none, b"{}"), Outcome::Completed(JsonText::new("{}").unwrap()));
        let Outcome::Failed(error) = Outcome::decode(&none, b"\xff") else { panic!("it is no JSON") };
        assert!(error.starts_with("the reply is not JSON"), "{error}");
        let mut headers = FieldTable::default();
        headers.insert(STATUS_HEADER.into(), AMQPValue::LongString("FAILED".into()));
        let failed = none.with_headers(headers);
        assert_eq!(Outcome::decode(&failed, b"out of luck"), Outcome::Failed("out of luck".to_owned()));
    }
}
