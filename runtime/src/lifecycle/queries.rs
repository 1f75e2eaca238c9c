//! What is asked of the database, apart from recording.
//!
//! The questions are methods of [`Database`]: [`Database::find_task`], [`Database::list_tasks`],
//! [`Database::find_event`], [`Database::list_events`], [`Database::states_of`], [`Database::insert_pending`],
//! [`Database::take_over`], [`Database::cancel`], [`Database::delay`], [`Database::claim_kind`],
//! [`Database::add_schedule`], [`Database::make_ticks`],
//! [`Database::unfinished`], [`Database::activity`], [`Database::prune`]. Lists leave payloads and results out, so that a page of them has a
//! bounded size; one row by its id has everything.

mod activity;
mod attempts;
mod bounded;
mod cancel;
mod cursor;
mod delayed;
mod events;
mod liveness;
mod moment;
mod pending;
mod prune;
mod retention;
mod schedules;
mod states;
mod take_over;
mod task_filter;
mod tasks;
mod ticks;
mod unique;
mod usage;

pub use activity::{Activity, Failures, Latency, Rates, RunningTask, RuntimeActivity, Waiting};
pub use cancel::Cancelled;
pub use cursor::{Cursor, InvalidCursor};
pub use delayed::Claim;
pub use events::{EventFilter, EventSummary, RoutingKeyFilter};
pub use moment::{InvalidMoment, Moment};
pub use pending::Inserted;
pub use prune::{LEAST_AGE, Old};
pub use schedules::{Added, ScheduleSummary};
pub(super) use states::hex_list;
pub use take_over::{TakeOver, Taken};
pub use task_filter::TaskFilter;
pub use tasks::TaskSummary;
pub use unique::Kind;
pub use usage::{Spread, Usage};

#[cfg(doc)]
use super::Database;
