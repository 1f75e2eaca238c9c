//! What became of one attempt at a task: the plain type in which the sandbox reports and the other parts decide.
//!
//! Made by [`crate::sandbox`] (or by [`crate::service`] where an attempt ended before it reached the sandbox), read by
//! [`crate::retry`], which turns it into what is recorded and what happens to the message.

use std::{fmt, str::FromStr, sync::Arc};

/// What one attempt gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The guest returned a result: a JSON text, checked.
    Completed(Arc<str>),
    /// The attempt failed; the class says whether another one makes sense.
    Failed(Failure),
    /// The attempt failed, and there is to be no other one whatever the class says.
    GivenUp(Failure),
    /// The runtime stopped before the guest had ended. Uses up no attempt.
    Interrupted,
    /// Somebody cancelled the task before the guest had ended.
    Cancelled,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub class: ErrorClass,
    /// What happened, to what, and what can be done. One or more sentences, never empty.
    pub message: String,
}

impl Failure {
    /// A failure of `class`, told by `message`.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }

    /// That of a row that the database refuses for this reason.
    pub fn unstorable(reason: &str) -> Self {
        Self::new(ErrorClass::Unstorable, format!("the database refused the row: {reason}"))
    }

    /// That of a task that was cancelled.
    pub fn cancelled() -> Self {
        Self::new(ErrorClass::Cancelled, "on request")
    }
}

/// As it stands in `task_store.error` and in the header `x-error`: `timeout: ran longer than its limit of 30s`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

/// The kinds of failure, named as in `task_store.error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The guest refused the payload.
    Invalid,
    /// The guest refused the work by a rule of its business.
    Business,
    /// The guest says that the failure may pass.
    Technical,
    /// The guest trapped (a panic, an unreachable, a division by zero).
    Trap,
    /// The guest asked for more memory than its limit and ended because of it.
    OutOfMemory,
    /// The guest ran longer than its limit.
    Timeout,
    /// The guest used more processor time than its limit.
    CpuTime,
    /// The payload is larger than the component takes.
    PayloadTooLarge,
    /// The guest wrote more to stdout and stderr than its limit.
    LogTooLarge,
    /// The guest asked for more over HTTP than its limits.
    HttpLimit,
    /// The guest wrote more to files than its limit.
    DiskLimit,
    /// The guest asked for what its manifest does not grant, and ended because of it.
    Denied,
    /// The guest's result is larger than its limit.
    OutputTooLarge,
    /// The guest's result is no JSON.
    BadOutput,
    /// No component has the task's name.
    NoSuchComponent,
    /// The component of that name can't be used; the message says why.
    BrokenComponent,
    /// The message breaks the contract.
    Malformed,
    /// The row could not be stored as it is.
    Unstorable,
    /// Somebody cancelled the task.
    Cancelled,
    /// Another task is the only one of its kind at this time.
    Duplicate,
}

/// The text is no class of errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no class of errors; they are {}", ErrorClass::ALL.map(ErrorClass::as_str).join(", "))]
pub struct UnknownClass {
    /// What was given.
    pub text: String,
}

impl FromStr for ErrorClass {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        let known = Self::ALL.into_iter().find(|class| class.as_str() == text);
        known.ok_or_else(|| UnknownClass { text: text.to_owned() })
    }
}

impl ErrorClass {
    /// Every class.
    pub const ALL: [Self; 20] = [
        Self::Invalid,
        Self::Business,
        Self::Technical,
        Self::Trap,
        Self::OutOfMemory,
        Self::Timeout,
        Self::CpuTime,
        Self::PayloadTooLarge,
        Self::LogTooLarge,
        Self::HttpLimit,
        Self::DiskLimit,
        Self::Denied,
        Self::OutputTooLarge,
        Self::BadOutput,
        Self::NoSuchComponent,
        Self::BrokenComponent,
        Self::Malformed,
        Self::Unstorable,
        Self::Cancelled,
        Self::Duplicate,
    ];

    /// The class of an error as it stands in a row: what is before its first colon.
    pub fn of_text(error: &str) -> Option<Self> {
        error.split_once(':')?.0.parse().ok()
    }

    /// Whether the same message may succeed at another time.
    pub fn may_pass(self) -> bool {
        match self {
            Self::Technical
            | Self::Trap
            | Self::OutOfMemory
            | Self::Timeout
            | Self::CpuTime
            | Self::PayloadTooLarge
            | Self::LogTooLarge
            | Self::HttpLimit
            | Self::DiskLimit
            | Self::Denied
            | Self::OutputTooLarge
            | Self::BadOutput
            | Self::NoSuchComponent
            | Self::BrokenComponent => true,
            Self::Invalid | Self::Business | Self::Malformed | Self::Unstorable | Self::Cancelled | Self::Duplicate => {
                false
            }
        }
    }

    /// Whether an error as it stands in a row is one after which the message is acked and not kept for a person.
    pub fn is_final_text(error: &str) -> bool {
        matches!(Self::of_text(error), Some(Self::Invalid | Self::Business))
    }

    /// Whether the fault lies in the message itself: its publisher has to change it, and someone has to see it.
    pub fn is_of_the_message(self) -> bool {
        matches!(self, Self::Malformed | Self::Unstorable)
    }

    /// The class's name, in snake_case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Business => "business",
            Self::Technical => "technical",
            Self::Trap => "trap",
            Self::OutOfMemory => "out_of_memory",
            Self::Timeout => "timeout",
            Self::CpuTime => "cpu_time",
            Self::PayloadTooLarge => "payload_too_large",
            Self::LogTooLarge => "log_too_large",
            Self::HttpLimit => "http_limit",
            Self::DiskLimit => "disk_limit",
            Self::Denied => "denied",
            Self::OutputTooLarge => "output_too_large",
            Self::BadOutput => "bad_output",
            Self::NoSuchComponent => "no_such_component",
            Self::BrokenComponent => "broken_component",
            Self::Malformed => "malformed",
            Self::Unstorable => "unstorable",
            Self::Cancelled => "cancelled",
            Self::Duplicate => "duplicate",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_its_class() {
        for class in ErrorClass::ALL {
            assert_eq!(ErrorClass::of_text(&Failure::new(class, "a: b").to_string()), Some(class));
        }
        for error in ["", "timeout", "timeouts: x", ": x", "Timeout: x"] {
            assert_eq!(ErrorClass::of_text(error), None, "{error}");
        }
        let unknown = "slow".parse::<ErrorClass>().unwrap_err().to_string();
        assert!(
            unknown.starts_with("\"slow\" is no class of errors; they are invalid, business, technical, "),
            "{unknown}"
        );
    }

    #[test]
    fn an_error_tells_whether_its_message_was_kept() {
        assert!(ErrorClass::is_final_text(&Failure::new(ErrorClass::Business, "no").to_string()));
        assert!(ErrorClass::is_final_text(&Failure::new(ErrorClass::Invalid, "no").to_string()));
        for error in ["trap: unreachable", "technical: away", "malformed: x", "invalidated", ""] {
            assert!(!ErrorClass::is_final_text(error), "{error}");
        }
    }
}
