//! One attempt at a task, as it is to be stored: it travels with the task's state and is committed with it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::AttemptOutcome;
use serde_json::{Value, json};
use uuid::Uuid;

use super::stored_text::{REPLACEMENT, has_nul};
use crate::{
    outcome::Failure,
    receipt::{HttpReceipt, LogTail, Receipt},
};

/// One attempt: a row of `task_attempt`, or kept in its task's own row. What runtime and component it was, and which number it
/// had, say the same in the task's state of then.
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
    /// What it used, if it was executed.
    pub receipt: Option<Receipt>,
    /// What the guest has written so far, of one that runs or was cut off: it has no receipt.
    pub log_so_far: Option<LogTail>,
    /// Whether a row of `task_attempt` may say of it that it runs. Its end has to go there as well: that row would be told as
    /// lost otherwise.
    pub announced: bool,
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
            receipt: None,
            log_so_far: None,
            announced: false,
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

    pub(super) fn cpu_us(&self) -> Option<i64> {
        self.receipt.as_ref().map(|receipt| receipt.cpu.as_micros().try_into().unwrap_or(i64::MAX))
    }

    /// A number of the receipt's, in bytes.
    pub(super) fn bytes(&self, of: impl Fn(&Receipt) -> u64) -> Option<i64> {
        self.receipt.as_ref().map(|receipt| of(receipt).try_into().unwrap_or(i64::MAX))
    }

    /// What went over HTTP, if anything did.
    pub(super) fn http(&self) -> Option<Value> {
        let http = &self.receipt.as_ref()?.http;
        (*http != HttpReceipt::default()).then(|| {
            json!({ "requests": http.requests, "sent_bytes": http.sent, "received_bytes": http.received, "hosts": http.hosts })
        })
    }

    /// How much the guest has written, in bytes.
    pub(super) fn log_bytes(&self) -> Option<i64> {
        let so_far = self.log_so_far.as_ref().and_then(|log| i64::try_from(log.bytes).ok());
        self.bytes(|receipt| receipt.log_bytes).or(so_far)
    }

    /// The end of the log, if there is one.
    pub(super) fn log(&self) -> Option<&str> {
        let so_far = self.log_so_far.as_ref().map(|log| log.text.as_str());
        self.receipt.as_ref().map(|receipt| receipt.log.as_str()).or(so_far).filter(|log| !log.is_empty())
    }

    /// Whether there is nothing to replace.
    pub(super) fn is_clean(&self) -> bool {
        let texts = [
            self.receipt.as_ref().map(|receipt| &receipt.log),
            self.log_so_far.as_ref().map(|log| &log.text),
            self.failure.as_ref().map(|failure| &failure.message),
        ];
        !texts.into_iter().flatten().any(|text| has_nul(text))
    }

    /// Replaces what no `text` column can hold.
    pub(super) fn clean(&mut self) {
        let texts = [
            self.receipt.as_mut().map(|receipt| &mut receipt.log),
            self.log_so_far.as_mut().map(|log| &mut log.text),
            self.failure.as_mut().map(|failure| &mut failure.message),
        ];
        for text in texts.into_iter().flatten().filter(|text| has_nul(text)) {
            *text = text.replace('\0', REPLACEMENT);
        }
    }

    /// Roughly what it weighs in a statement, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        192 + self.error().map_or(0, str::len) + self.log().map_or(0, str::len)
    }
}

/// Adds `newer` to what is known of a task's attempts. A later state of the same attempt takes the place of the earlier
/// one, announced if either was; nothing else is left out.
pub(super) fn add(known: &mut Vec<AttemptRow>, newer: Vec<AttemptRow>) {
    for mut attempt in newer {
        match known.iter_mut().find(|earlier| earlier.id == attempt.id) {
            Some(earlier) => {
                attempt.announced |= earlier.announced;
                *earlier = attempt;
            }
            None => known.push(attempt),
        }
    }
}
