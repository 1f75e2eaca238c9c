//! The record of tasks and events, on Postgres and on SQLite: one suite, run on both.
//!
//! Postgres is the one at `DATABASE_URL`, or `postgres://postgres@127.0.0.1:5432/postgres`; without it the tests fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "support/database.rs"]
mod database;
#[path = "../../event-driven/tests/support/proxy.rs"]
mod proxy;
#[path = "support/rows.rs"]
mod rows;

mod lifecycle {
    mod activity;
    mod attempts;
    mod cancel;
    mod clock;
    mod connect;
    mod delayed;
    mod events;
    mod faults;
    mod filters;
    mod group_commit;
    mod kept_attempts;
    mod lists;
    mod lookups;
    mod migrations;
    mod new_rows;
    mod outage;
    mod pending;
    mod plans;
    mod prune;
    mod refused_row;
    mod runtimes;
    mod same_rows;
    mod schedules;
    mod silence;
    mod slow;
    mod states;
    mod stop;
    mod stuck;
    mod take_over;
    mod unique;
    mod usage;
    mod waiting;
}
