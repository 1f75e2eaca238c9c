//! What a dead letter says, for a person.

use chrono::{DateTime, Utc};
use event_driven::{
    lapin::{BasicProperties, types::ShortString},
    message::{Death, field_table_to_json},
    names::TaskName,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// One dead letter.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct Letter {
    /// What it is named by here: made of what it says, so that copies have the same.
    pub id: String,
    /// The queue that it is in.
    pub queue: String,
    /// What kind of failure it was: an error class, or RabbitMQ's word (`expired`, `maxlen`, `rejected`, `delivery_limit`). None:
    /// nothing tells how it came here, so it is not of warren or of a service.
    pub class: Option<String>,
    /// What happened.
    pub reason: String,
    /// When it was given up, as far as that is told.
    pub died_at: Option<DateTime<Utc>>,
    /// The key that it was published with.
    pub routing_key: Option<String>,
    /// The component that it asks for, if it is a task.
    pub task_name: Option<String>,
    /// Who published it.
    pub producer_app: Option<String>,
    /// What it belongs to.
    pub correlation_id: Option<String>,
    /// What its producer calls it.
    pub message_id: Option<String>,
    /// The length of its body in bytes.
    pub size_bytes: usize,
}

/// Bytes of a text by which a letter is found. What is longer is none that warren takes.
const SHORT: usize = 255;

/// Bytes of a reason; warren's own have no more.
const LONGEST_REASON: usize = 4 * 1024;

impl Letter {
    /// A walk keeps many letters: each of a bounded size, whatever its message says.
    pub(super) fn read(queue: &str, properties: &BasicProperties, body: &[u8]) -> Self {
        let death = Death::last(properties);
        let reason = death.as_ref().map(|death| cut(&death.reason, LONGEST_REASON)).unwrap_or_default();
        let class = death.as_ref().map(|_| cut(reason.split(':').next().unwrap_or_default(), SHORT));
        let text = |property: &Option<ShortString>| property.as_ref().map(|text| text.as_str().to_owned());
        let headers = properties.headers().as_ref().map(field_table_to_json).unwrap_or_default();
        let header = |name: &str| headers.get(name).and_then(Value::as_str).map(|text| cut(text, SHORT));
        let mut letter = Self {
            id: String::new(),
            queue: queue.to_owned(),
            class,
            reason,
            died_at: death.as_ref().and_then(|death| death.at),
            routing_key: death.and_then(|death| death.routing_key).map(|key| cut(&key, SHORT)),
            task_name: task_name(body),
            producer_app: header("producer_app").or_else(|| text(properties.app_id())),
            correlation_id: header("correlation_id").or_else(|| text(properties.correlation_id())),
            message_id: text(properties.message_id()),
            size_bytes: body.len(),
        };
        letter.id = letter.id(body);
        letter
    }

    /// Twelve digits of a hash over what says which message it is.
    fn id(&self, body: &[u8]) -> String {
        let mut hash = Sha256::new();
        let parts = [&self.producer_app, &self.correlation_id, &self.message_id, &self.routing_key];
        for part in parts.map(|part| part.as_deref().unwrap_or_default()).into_iter().chain([self.reason.as_str()]) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(body);
        hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether nothing tells how it came here: it is kept, whatever is done with the others.
    pub fn is_foreign(&self) -> bool {
        self.class.is_none()
    }
}

/// All that a message has to say, for who wants to see it.
#[derive(Debug)]
pub struct Content {
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

impl Content {
    /// Its headers; none if it has none.
    pub fn headers(&self) -> Option<Value> {
        self.properties.headers().as_ref().map(|headers| field_table_to_json(headers).into())
    }

    /// Its body: as JSON if it is some, else as a text, as far as it is one.
    pub fn body(&self) -> Value {
        let text = || Value::String(String::from_utf8_lossy(&self.body).into_owned());
        serde_json::from_slice(&self.body).unwrap_or_else(|_| text())
    }
}

/// The text is no id of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 12 digits of 0-9 and a-f, as `warren dead list` prints it; at least 6 of them")]
pub struct InvalidId;

/// Takes the beginning of an id. An empty one, as of a variable that is not set, would name all.
///
/// # Errors
/// If it is none.
pub fn check_id(text: &str) -> Result<String, InvalidId> {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match (6..=12).contains(&text.len()) && text.bytes().all(is_digit) {
        true => Ok(text.to_owned()),
        false => Err(InvalidId),
    }
}

/// The first bytes of a text, whole characters only.
fn cut(text: &str, max_bytes: usize) -> String {
    text.get(..text.floor_char_boundary(max_bytes)).unwrap_or(text).to_owned()
}

/// What no component can be called is no name of one.
fn task_name(body: &[u8]) -> Option<String> {
    /// The one member that matters here.
    #[derive(serde::Deserialize)]
    struct Body {
        task_name: String,
    }
    let name = serde_json::from_slice::<Body>(body).ok()?.task_name;
    TaskName::new(&name).is_ok().then_some(name)
}
