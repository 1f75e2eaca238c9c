//! From an outcome to what is recorded and what becomes of the message. Pure: the contract's table, as a function.

use std::sync::Arc;

use crate::outcome::{Failure, Outcome};

/// What follows from one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The task is done: COMPLETED with this result, and the message is acked.
    Complete(Arc<str>),
    /// The task has failed for good by its own fault: FAILED, and the message is acked.
    Fail(Failure),
    /// The task is tried again: PENDING, and the message goes to the retry queue of this attempt.
    Retry(Failure),
    /// The task has failed for good, and someone should look at its message: FAILED, and to the dead-letter queue.
    Bury(Failure),
    /// The runtime stops: PENDING, and the message goes back to its queue without using up an attempt.
    GiveBack,
    /// Somebody cancelled the task: CANCELLED, and the message is acked.
    Cancel,
}

/// Decides. `attempt` counts from 0; `retries` is how many may follow the first attempt.
pub fn decide(outcome: Outcome, attempt: u32, retries: u32) -> Verdict {
    match outcome {
        Outcome::Completed(result) => Verdict::Complete(result),
        Outcome::Interrupted => Verdict::GiveBack,
        Outcome::Cancelled => Verdict::Cancel,
        Outcome::GivenUp(failure) => Verdict::Bury(failure),
        Outcome::Failed(failure) if failure.class.is_of_the_message() => Verdict::Bury(failure),
        Outcome::Failed(failure) if !failure.class.may_pass() => Verdict::Fail(failure),
        Outcome::Failed(failure) if attempt < retries => Verdict::Retry(failure),
        Outcome::Failed(failure) => Verdict::Bury(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::ErrorClass;

    /// The contract's table, a row each: class, attempt, what follows with 3 retries.
    #[test]
    fn every_outcome_follows_the_contract() {
        let rows = [
            (ErrorClass::Invalid, 0, "fail"),
            (ErrorClass::Business, 3, "fail"),
            (ErrorClass::Technical, 0, "retry"),
            (ErrorClass::Technical, 2, "retry"),
            (ErrorClass::Technical, 3, "bury"),
            (ErrorClass::Technical, u32::MAX, "bury"),
            (ErrorClass::Trap, 0, "retry"),
            (ErrorClass::OutOfMemory, 1, "retry"),
            (ErrorClass::Timeout, 3, "bury"),
            (ErrorClass::OutputTooLarge, 0, "retry"),
            (ErrorClass::BadOutput, 0, "retry"),
            (ErrorClass::NoSuchComponent, 0, "retry"),
            (ErrorClass::BrokenComponent, 3, "bury"),
            (ErrorClass::Malformed, 0, "bury"),
            (ErrorClass::Unstorable, 0, "bury"),
        ];
        for (class, attempt, follows) in rows {
            let failure = Failure::new(class, "why");
            let expected = match follows {
                "fail" => Verdict::Fail(failure.clone()),
                "retry" => Verdict::Retry(failure.clone()),
                _ => Verdict::Bury(failure.clone()),
            };
            assert_eq!(decide(Outcome::Failed(failure), attempt, 3), expected, "{class}, attempt {attempt}");
        }
    }

    #[test]
    fn a_result_completes_and_a_stop_gives_back() {
        assert_eq!(decide(Outcome::Completed("1".into()), 0, 0), Verdict::Complete("1".into()));
        assert_eq!(decide(Outcome::Interrupted, 9, 3), Verdict::GiveBack);
        assert_eq!(decide(Outcome::Cancelled, 0, 3), Verdict::Cancel);
        let failure = Failure::new(ErrorClass::Technical, "why");
        assert_eq!(decide(Outcome::GivenUp(failure.clone()), 0, 3), Verdict::Bury(failure));
    }
}
