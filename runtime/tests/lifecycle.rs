//! The record of tasks and events, on Postgres and on SQLite: one suite, run on both.
//!
//! Postgres is the one at `DATABASE_URL`, or `postgres://postgres@127.0.0.1:5432/postgres`; without it the tests fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "support/database.rs"]
mod database;
#[path = "support/rows.rs"]
mod rows;

mod lifecycle {
    mod clock;
    mod connect;
    mod events;
    mod group_commit;
    mod lists;
    mod lookups;
    mod migrations;
    mod outage;
    mod pending;
    mod refused_row;
    mod states;
    mod stop;
    mod take_over;
    mod waiting;
}
