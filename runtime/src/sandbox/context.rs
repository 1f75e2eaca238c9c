//! The host interface `warren:task/context`: what a task may know about itself. Needs no grant.

use std::sync::Arc;

use super::{
    bindings::warren::task::{context, types},
    guest::Guest,
};
use crate::outcome::{ErrorClass, Failure};

/// What a guest may know about the task that it executes.
#[derive(Debug, Clone)]
pub struct TaskInfo {
    /// The task's id, the key of its row.
    pub task_id: uuid::Uuid,
    /// The component that the publisher asked for.
    pub task_name: Arc<str>,
    /// Which attempt this is, counted from 0.
    pub attempt: u32,
    /// The publisher's correlation id.
    pub correlation_id: Arc<str>,
    /// The service that published the task.
    pub producer_app: Arc<str>,
}

impl context::Host for Guest {
    fn current(&mut self) -> context::Info {
        let info = self.info();
        context::Info {
            task_id: info.task_id.to_string(),
            task_name: info.task_name.to_string(),
            attempt: info.attempt,
            correlation_id: info.correlation_id.to_string(),
            producer_app: info.producer_app.to_string(),
            deadline_ms: self.deadline_ms(),
        }
    }
}

impl types::Host for Guest {}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        let (class, text) = match failure {
            types::Failure::Invalid(text) => (ErrorClass::Invalid, text),
            types::Failure::Business(text) => (ErrorClass::Business, text),
            types::Failure::Technical(text) => (ErrorClass::Technical, text),
        };
        Self::new(class, bounded(text))
    }
}

/// The longest failure text that is kept, in bytes. It goes into the row and into a message's header, which has to fit
/// an AMQP frame together with all others.
const MAX_FAILURE_TEXT: usize = 4096;

pub(super) fn bounded(mut text: String) -> String {
    if text.len() > MAX_FAILURE_TEXT {
        let end = text.floor_char_boundary(MAX_FAILURE_TEXT);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_failure_text_is_cut_between_characters() {
        let text = bounded("ä".repeat(3000));
        assert!(text.ends_with('…'));
        assert_eq!(text.chars().count(), 2049);
    }
}
