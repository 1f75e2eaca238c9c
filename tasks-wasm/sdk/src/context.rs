//! What a running task may know about itself.
//!
//! Inside a component the runtime answers; on the host, where authors run their unit tests, the answer is a stand-in
//! that [`testing::with_context`] replaces. Everything in it is information, never a grant.

use std::time::{Duration, SystemTime};

#[cfg(target_family = "wasm")]
#[path = "context/guest.rs"]
mod source;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

#[cfg(not(target_family = "wasm"))]
use testing as source;

/// The identity of the task that is being executed, and how long it may take.
///
/// New fields may come: make one for a test from [`Context::default`] and set what matters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// The task's id, a UUID in its textual form: the key of its row, and the same in each of its attempts. Good for
    /// making a foreign call idempotent.
    pub task_id: String,
    /// The name that the publisher asked for: the component's.
    pub task_name: String,
    /// Which attempt this is, counted from 0.
    pub attempt: u32,
    /// The publisher's correlation id, to hand on to whatever is called.
    pub correlation_id: String,
    /// The service that published the task.
    pub producer_app: String,
    /// When this attempt is stopped, wherever it is then; that counts as `technical`.
    pub deadline: SystemTime,
}

impl Context {
    /// The time left before the deadline, zero after it.
    ///
    /// For work in portions: stop and return [`Failure::technical`](crate::Failure::technical) with a reason of your
    /// own rather than be cut off.
    pub fn remaining(&self) -> Duration {
        self.deadline.duration_since(SystemTime::now()).unwrap_or_default()
    }
}

/// A stand-in for unit tests: a first attempt of task `test` with 30 seconds to go.
impl Default for Context {
    fn default() -> Self {
        Self {
            task_id: "00000000-0000-0000-0000-000000000000".to_owned(),
            task_name: "test".to_owned(),
            attempt: 0,
            correlation_id: "test".to_owned(),
            producer_app: "test".to_owned(),
            deadline: SystemTime::now() + Duration::from_secs(30),
        }
    }
}

/// The context of the task that is being executed: the same at each call within one execution.
///
/// On the host it is [`Context::default`], or what the test passed to [`testing::with_context`].
///
/// ```
/// let context = warren_task::context();
/// assert_eq!(context.attempt, 0);
/// assert!(context.remaining().as_secs() <= 30);
/// ```
pub fn context() -> Context {
    source::current()
}
