//! Schedules: when their ticks are, how they are added, and that each is executed once, whatever becomes of the runtimes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/database.rs"]
mod database;
#[path = "support/process.rs"]
mod process;
#[path = "../../event-driven/tests/support/proxy.rs"]
mod proxy;
#[path = "support/stack.rs"]
mod stack;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

mod schedule {
    mod commands;
    mod http;
    mod runtimes;
    mod timetable;
}
