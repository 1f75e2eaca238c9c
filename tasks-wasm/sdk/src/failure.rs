//! Why a task did not give a result: the author's side of `failure` in the WIT package.
//!
//! The variant decides what becomes of the message, so an author chooses it on purpose; only an error that nobody
//! looked at becomes `technical` by itself, through `?`.

use std::error::Error;
use std::fmt;

/// Why a task did not give a result. The variant decides what becomes of the message.
///
/// It deliberately does not implement [`std::error::Error`]: that is what lets `?` turn every ordinary error into one.
/// The text is stored with the task and shown to whoever looks at it, so it should say which thing, what was expected
/// and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The payload is not what this component expects. Recorded as FAILED and not retried: the same payload would be
    /// refused again. A payload that doesn't decode becomes this without the author's doing.
    Invalid(String),
    /// The payload was understood, and a rule of the business refuses the work (no stock, order closed). Recorded as
    /// FAILED and not retried.
    Business(String),
    /// Something failed that may pass (a service that did not answer). Retried with a growing delay, and FAILED after
    /// the last attempt. A panic and running out of time or memory count as this too.
    Technical(String),
}

impl Failure {
    /// The payload is not what this component expects: FAILED, not retried.
    ///
    /// ```
    /// # use warren_task::Failure;
    /// let width = "wide".parse::<u32>().map_err(Failure::invalid);
    /// assert_eq!(width, Err(Failure::Invalid("invalid digit found in string".into())));
    /// ```
    pub fn invalid(reason: impl fmt::Display) -> Self {
        Self::Invalid(reason.to_string())
    }

    /// A rule of the business refuses the work: FAILED, not retried.
    ///
    /// ```
    /// # use warren_task::Failure;
    /// let failure = Failure::business(format_args!("order {} is closed", 17));
    /// assert_eq!(failure.reason(), "order 17 is closed");
    /// ```
    pub fn business(reason: impl fmt::Display) -> Self {
        Self::Business(reason.to_string())
    }

    /// Something failed that may pass: retried, then FAILED.
    ///
    /// `?` does this for any [`std::error::Error`]; this is for what is not one, such as a text or `anyhow::Error`.
    pub fn technical(reason: impl fmt::Display) -> Self {
        Self::Technical(reason.to_string())
    }

    /// The text alone, without the kind of failure.
    pub fn reason(&self) -> &str {
        match self {
            Self::Invalid(reason) | Self::Business(reason) | Self::Technical(reason) => reason,
        }
    }
}

/// The kind, then the reason: `invalid: payload.width: missing field`.
impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Invalid(_) => "invalid",
            Self::Business(_) => "business",
            Self::Technical(_) => "technical",
        };
        write!(formatter, "{kind}: {}", self.reason())
    }
}

/// What makes `?` work: any error becomes [`Failure::Technical`], with the chain of its sources in the text.
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason.push_str(": ");
            reason.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::Technical(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn a_question_mark_keeps_the_whole_chain_of_an_error() {
        let root = Layer("connection refused", None);
        let middle = Layer("GET /stock", Some(Box::new(root)));
        let error = Layer("no stock figures", Some(Box::new(middle)));
        let attempt = || -> Result<(), Failure> { Err(error)? };
        assert_eq!(attempt(), Err(Failure::technical("no stock figures: GET /stock: connection refused")));
    }

    #[test]
    fn a_question_mark_leaves_a_failure_as_it_is() {
        let attempt = || -> Result<(), Failure> { Err(Failure::business("order 17 is closed"))? };
        assert_eq!(attempt(), Err(Failure::Business("order 17 is closed".into())));
    }

    #[test]
    fn the_kind_stands_before_the_reason() {
        assert_eq!(Failure::invalid("no lines").to_string(), "invalid: no lines");
        assert_eq!(Failure::business("no stock").to_string(), "business: no stock");
        assert_eq!(Failure::technical("no answer").to_string(), "technical: no answer");
    }
}
