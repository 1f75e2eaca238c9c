//! warren runs untrusted tasks from RabbitMQ, each in a WebAssembly sandbox of its own, and records the life of every
//! task and every event in a database.
//!
//! Under construction.

pub mod outcome;
