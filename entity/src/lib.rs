//! What the tables are: the SeaORM entities of `task_store`, `task_attempt`, `task_cancel`, `task_unique`,
//! `delayed_task`, `schedule`, `event_store` and `runtime`, and of the view `attempt`.
//!
//! How the tables came to be is in the crate `migration`; who writes them, and when, in warren's `lifecycle`. The
//! columns are those of the wire contract ("Database"): other programs may read them, so a name never changes.
//!
//! JSON columns are read as *text* ([`sea_orm`] would otherwise parse them into a value that can't hold every number
//! that the database can), and nobody writes through these entities on Postgres, where a text must be cast to `jsonb`.

#![deny(missing_docs)]

pub mod attempt;
mod attempt_outcome;
pub mod delayed_task;
pub mod event_store;
pub mod runtime;
pub mod schedule;
mod status;
pub mod task_attempt;
pub mod task_cancel;
pub mod task_store;
pub mod task_unique;

pub use attempt_outcome::AttemptOutcome;
pub use status::TaskStatus;
