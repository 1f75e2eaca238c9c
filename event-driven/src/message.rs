//! Messages: what a task and an event are on the wire, decoded and checked, and written again.
//!
//! Decoding takes what anybody may send: no bytes make it panic, recurse without bound or allocate more than the size
//! limit allows. What can't be decoded is a [`Malformed`], which says what is missing and where it was looked for, and
//! still carries what could be told of the message.

mod copy;
mod death;
mod error;
mod event;
mod field_table;
mod headers;
mod json_text;
mod outcome;
mod priority;
mod properties;
mod short_text;
mod size;
mod start;
mod task;
mod unique_for;

pub use copy::{
    dead_properties, first_routing_key, moved_properties, renewed_properties, retry_properties, revived_properties,
    waiting_properties,
};
pub use death::{Death, earlier_returns, returns};
pub use error::{DecodeError, Malformed, Partial};
pub use event::EventMessage;
pub use field_table::{HeaderError, field_table_to_json, json_to_field_table};
pub use headers::MessageHeaders;
pub use json_text::{JsonText, JsonTextError, MAX_DEPTH};
pub use outcome::{ID_HEADER, Outcome, STATUS_HEADER};
pub(crate) use properties::MAX_TRACE_HEADER;
pub use short_text::{ShortText, ShortTextError};
pub(crate) use size::header_frame_size;
pub use start::{Start, TooFarAhead};
pub use task::TaskRequest;
pub use unique_for::{NotUniqueFor, UniqueFor};

/// A message ready to be published: its properties and its body.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// The AMQP properties, headers included.
    pub properties: lapin::BasicProperties,
    /// The body, JSON.
    pub body: bytes::Bytes,
}
