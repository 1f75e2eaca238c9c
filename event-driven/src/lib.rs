#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod connection;
pub mod message;
pub mod names;
pub mod publisher;
pub mod topology;

pub use lapin;
