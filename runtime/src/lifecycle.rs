//! Outcome → committed row: the record of every task and every event.
//!
//! Last but one step of a task's way. Promise: when [`Recorder::record`] returns `Ok`, the row is committed, and only then
//! may the message leave its queue (invariant 1). What it promises for each database is said in [`Database`].
//!
//! - [`Database`] – Postgres or SQLite, by URL; its [`Clock`] is the one that every stored time comes from
//! - [`Recorder`] – writes rows, many to a statement; [`Outcomes`] tells who waits for one
//! - [`Lookups`] – asks what became of a task before, many to a statement
//! - [`Heartbeat`] – tells that this runtime is alive, and which of the others is
//! - [`Database::list_tasks`] and its like – what the HTTP interface and the command line ask, and how a row outlives a crash
//!
//! The parts inside: `held` merges the states of a row that waits, `writer` is the background loop, `flush` finds the
//! one row that the database refuses, `verdict` decides what may pass, `postgres` and `sqlite` are the two dialects,
//! `given_up` gets rid of connections whose server has fallen silent.

mod attempt_row;
mod clock;
mod columns;
mod connect;
mod connect_error;
mod copy;
mod database;
mod event_row;
mod flush;
mod given_up;
mod health;
mod heartbeat;
mod held;
mod lookups;
mod message_key;
mod no_delay;
mod outcomes;
mod postgres;
mod queries;
mod recorder;
mod row;
mod sqlite;
mod stored_text;
mod tally;
mod task_row;
mod upsert;
mod verdict;
mod waiter;
mod writer;

pub use attempt_row::AttemptRow;
pub use clock::Clock;
pub use connect_error::ConnectError;
pub use database::{Database, DatabaseConfig};
pub use entity::delayed_task::Model as DelayedTask;
pub use entity::schedule::Model as ScheduleRow;
pub use entity::{AttemptOutcome, TaskStatus};
pub use event_row::EventRow;
pub use health::Health;
pub use heartbeat::{Heartbeat, RuntimeInfo};
pub use lookups::{KnownTask, Lookups, RunsIn};
pub use message_key::{id_of_malformed, id_of_message};
pub use migration::MigrationError;
pub use outcomes::{Outcomes, Subscription};
pub use queries::{
    Activity, Added, Cancelled, Claim, Cursor, EventFilter, EventSummary, Failures, Inserted, InvalidCursor,
    InvalidMoment, Kind, LEAST_AGE, Latency, Moment, Old, Rates, RoutingKeyFilter, RunningTask, RuntimeActivity,
    ScheduleSummary, Spread, TakeOver, Taken, TaskFilter, TaskSummary, Usage, Waiting,
};
pub use recorder::{RecordError, Recorder, Written};
pub use task_row::{Novelty, TaskRow};
pub use verdict::QueryError;
pub use waiter::Answers;

/// The first pause before a statement is tried again: as long as a connection takes that was merely closed.
const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
