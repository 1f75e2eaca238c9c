#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod asyncapi;
#[cfg(feature = "axum")]
pub mod axum;
pub mod backoff;
pub mod client;
pub mod connection;
pub mod entity;
pub mod message;
pub mod names;
#[cfg(feature = "outbox")]
pub mod outbox;
pub mod publisher;
pub mod subscriber;
pub mod topology;
pub mod trace;

pub use entity::EventObject;
pub use event_driven_macros::{EventObject, on_notify};
pub use lapin;
pub use schemars;

/// What the code names that the macros write. No part of the interface: it may change with any version.
#[doc(hidden)]
pub mod __private {
    pub use schemars;
    pub use serde;

    pub use crate::entity::notify::notification;
}
