//! One attempt at a task, as it is to be stored: it travels with the task's state and is committed with it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::AttemptOutcome;
use uuid::Uuid;

use crate::outcome::Failure;

/// One attempt: a row of `task_attempt`. What runtime and component it was, and which number it had, say the same in the
/// task's state of then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// The attempt's identifier, a UUIDv7.
    pub id: Uuid,
    /// Its number, counted from 0.
    pub attempt: u32,
    /// The runtime that makes it.
    pub runtime_id: Arc<str>,
    /// The digest of the component that it runs.
    pub component_digest: Option<Arc<str>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl AttemptRow {
    /// An attempt that begins.
    pub fn begun(attempt: u32, runtime_id: Arc<str>, started_at: DateTime<Utc>) -> Self {
        Self {
            id: Uuid::now_v7(),
            attempt,
            runtime_id,
            component_digest: None,
            started_at,
            finished_at: None,
            outcome: AttemptOutcome::Running,
            failure: None,
        }
    }

    /// The attempt is over.
    pub fn end(&mut self, outcome: AttemptOutcome, failure: Option<Failure>, at: DateTime<Utc>) {
        self.finished_at = Some(at);
        self.outcome = outcome;
        self.failure = failure;
    }

    pub(super) fn error_class(&self) -> Option<&'static str> {
        self.failure.as_ref().map(|failure| failure.class.as_str())
    }

    pub(super) fn error(&self) -> Option<&str> {
        self.failure.as_ref().map(|failure| failure.message.as_str())
    }

    /// Replaces what no `text` column can hold.
    pub(super) fn clean(&mut self) {
        if let Some(failure) = self.failure.as_mut().filter(|failure| failure.message.contains('\0')) {
            failure.message = failure.message.replace('\0', super::stored_text::REPLACEMENT);
        }
    }

    /// Roughly what it weighs in a statement, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        128 + self.error().map_or(0, str::len)
    }
}

/// Adds `newer` to what is known of a task's attempts. A later state of the same attempt takes the place of the earlier
/// one; nothing else is left out.
pub(super) fn add(known: &mut Vec<AttemptRow>, newer: Vec<AttemptRow>) {
    for attempt in newer {
        match known.iter_mut().find(|earlier| earlier.id == attempt.id) {
            Some(earlier) => *earlier = attempt,
            None => known.push(attempt),
        }
    }
}
