#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

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

pub use lapin;
