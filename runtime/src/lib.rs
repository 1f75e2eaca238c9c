//! warren runs untrusted tasks from RabbitMQ, each in a WebAssembly sandbox of its own, and records the life of every
//! task and every event in a database.
//!
//! A task's way leads through four parts that do not know each other; [`service`] joins them, and [`mod@retry`] decides
//! what follows from an [`outcome`] ([`next`] tells it to people):
//!
//! - [`broker`]: messages in and out
//! - [`components`]: from a task's name to the compiled component
//! - [`sandbox`]: from a component and a payload to an outcome
//! - [`lifecycle`]: from an outcome to a committed row
//!
//! [`api`] and [`cli`] are the doors for people and programs, [`config`] is what can be set, [`mod@bench`] measures it all. The map with its walks is
//! `docs/ARCHITECTURE.md`.

pub mod activity;
pub mod api;
pub mod bench;
pub mod broker;
mod causes;
pub mod class;
pub mod cli;
pub mod components;
pub mod config;
pub mod dead_letters;
pub mod lifecycle;
pub mod manifest;
pub mod masked_url;
pub mod next;
pub mod outcome;
pub mod receipt;
pub mod retry;
pub mod sandbox;
pub mod schedule;
pub mod service;
pub mod tls;
