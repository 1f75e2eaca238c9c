//! What is asked of the database, apart from recording.
//!
//! The questions are methods of [`Database`]: [`Database::find_task`], [`Database::list_tasks`],
//! [`Database::find_event`], [`Database::list_events`], [`Database::states_of`], [`Database::insert_pending`],
//! [`Database::take_over`], [`Database::cancel`], [`Database::delay`], [`Database::claim_kind`],
//! [`Database::add_schedule`], [`Database::make_ticks`],
//! [`Database::unfinished`], [`Database::activity`]. Lists leave payloads and results out, so that a page of them has a
//! bounded size; one row by its id has everything.

mod activity;
mod attempts;
mod cancel;
mod cursor;
mod delayed;
mod events;
mod liveness;
mod pending;
mod schedules;
mod states;
mod take_over;
mod tasks;
mod ticks;
mod unique;
mod usage;

pub use activity::{Activity, Failures, Latency, Rates, RunningTask, RuntimeActivity, Waiting};
pub use cancel::Cancelled;
pub use cursor::{Cursor, InvalidCursor};
pub use delayed::Claim;
pub use events::{EventFilter, EventSummary, RoutingKeyFilter};
pub use pending::Inserted;
pub use schedules::{Added, ScheduleSummary};
pub use take_over::{TakeOver, Taken};
pub use tasks::{TaskFilter, TaskSummary};
pub use unique::Kind;
pub use usage::{Spread, Usage};

#[cfg(doc)]
use super::Database;
