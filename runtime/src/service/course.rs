//! What is to be done with a message whose task has a row already (invariant 2). Pure.
//!
//! One rule carries it: a message leaves its queue only after its outcome is committed or its copy for the next attempt is
//! confirmed. So a row that is PENDING after attempt n stands for a message that asks for n, or its copy that asks for
//! n + 1; one of them is in a queue, unless a queue lost it.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use event_driven::names::Attempt;

use crate::lifecycle::{KnownTask, TaskStatus};

/// How a message comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coming {
    /// The attempt that it asks for.
    pub(super) attempt: Attempt,
    /// Whether it was delivered before and not settled.
    pub(super) redelivered: bool,
    /// When it came, by the database's clock.
    pub(super) at: DateTime<Utc>,
    /// Whether it had to wait for another message of the same task, here or in another runtime.
    pub(super) waited: bool,
}

impl Coming {
    /// Whether its producer has published it just now, rather than the broker or a runtime sending it once more.
    fn is_fresh(self) -> bool {
        !self.redelivered && self.attempt == Attempt::FIRST
    }

    /// Whether the task came to its end while this one waited.
    fn has_seen_the_end(self, known: &KnownTask) -> bool {
        self.waited && known.finished_at.is_some_and(|end| end >= self.at)
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Course {
    /// This attempt is made.
    Execute(Attempt),
    /// Another runtime is at the task: what becomes of the message is known when that is over.
    Wait,
    /// The task is over: what became of its first message becomes of this one.
    Over,
    /// The attempt was made, and failed with this error; the message goes on to the next one.
    Retry(String),
    /// Another message stands for the task.
    Surplus,
    /// Somebody wants the task cancelled, and nobody is at it.
    Cancel,
}

/// Decides. `elsewhere`: whether a RUNNING task is being worked on by a runtime that is not known to be gone.
pub(super) fn course(known: &KnownTask, coming: Coming, elsewhere: bool) -> Course {
    match known.status {
        TaskStatus::Completed | TaskStatus::Cancelled => Course::Over,
        TaskStatus::Failed => of_failed(known, coming),
        TaskStatus::Running if elsewhere => Course::Wait,
        TaskStatus::Pending | TaskStatus::Running if known.to_be_cancelled => Course::Cancel,
        // A first message that comes again may have been published again before: only this process knew then where it was
        // to go on, and no other message may stand for the task. At worst an attempt is made that need not be.
        TaskStatus::Pending | TaskStatus::Running
            if coming.attempt == Attempt::FIRST && (coming.is_fresh() || known.attempt > 0) =>
        {
            of_published_again(known, coming)
        }
        TaskStatus::Pending | TaskStatus::Running => of_unfinished(known, coming),
    }
}

/// Who publishes a failed task's message once more wants it executed once more. A copy of the message that made it fail does
/// not: one that was published with it and waited for that, is delivered again, or comes for a retry.
fn of_failed(known: &KnownTask, coming: Coming) -> Course {
    if coming.is_fresh() {
        return match coming.has_seen_the_end(known) {
            true => Course::Surplus,
            false => Course::Execute(coming.attempt),
        };
    }
    match known.attempt.cmp(&coming.attempt.number()) {
        // The message of the first attempt had its copies long ago: this one was published again, and given back unbegun.
        Ordering::Greater if coming.attempt == Attempt::FIRST => Course::Execute(coming.attempt),
        Ordering::Greater | Ordering::Equal => Course::Over,
        Ordering::Less => Course::Execute(coming.attempt),
    }
}

/// Published once more, perhaps because the message that stands for the row is lost: it goes on where that was.
fn of_published_again(known: &KnownTask, coming: Coming) -> Course {
    let last = Attempt::new(known.attempt);
    match (known.status, &known.error) {
        // The one that it waited for goes on.
        (TaskStatus::Pending, Some(_)) if coming.is_fresh() && coming.waited => Course::Surplus,
        (TaskStatus::Pending, Some(_)) => Course::Execute(last.next()),
        _ => Course::Execute(last),
    }
}

fn of_unfinished(known: &KnownTask, coming: Coming) -> Course {
    match (known.attempt.cmp(&coming.attempt.number()), known.status) {
        (Ordering::Greater, _) => Course::Surplus,
        (Ordering::Equal, TaskStatus::Pending) => {
            known.error.clone().map_or(Course::Execute(coming.attempt), Course::Retry)
        }
        (Ordering::Equal | Ordering::Less, _) => Course::Execute(coming.attempt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: (bool, bool) = (false, false);
    const REDELIVERED: (bool, bool) = (true, false);
    const WAITED: (bool, bool) = (false, true);

    fn known(status: TaskStatus, attempt: u32, error: Option<&str>) -> KnownTask {
        KnownTask {
            status,
            attempt,
            error: error.map(str::to_owned),
            finished_at: None,
            runs_in: None,
            to_be_cancelled: false,
        }
    }

    fn coming(asked: u32, (redelivered, waited): (bool, bool)) -> Coming {
        Coming { attempt: Attempt::new(asked), redelivered, at: DateTime::UNIX_EPOCH, waited }
    }

    fn of(status: TaskStatus, attempt: u32, error: Option<&str>, asked: u32, how: (bool, bool)) -> Course {
        course(&known(status, attempt, error), coming(asked, how), false)
    }

    fn execute(attempt: u32) -> Course {
        Course::Execute(Attempt::new(attempt))
    }

    #[test]
    fn what_is_over_is_not_executed_again() {
        for how in [FRESH, REDELIVERED, WAITED] {
            assert_eq!(of(TaskStatus::Completed, 0, None, 0, how), Course::Over);
            assert_eq!(of(TaskStatus::Cancelled, 0, None, 3, how), Course::Over);
        }
        assert_eq!(of(TaskStatus::Failed, 3, None, 3, REDELIVERED), Course::Over);
        assert_eq!(of(TaskStatus::Failed, 3, None, 3, FRESH), Course::Over, "a second copy for the last attempt");
        assert_eq!(of(TaskStatus::Failed, 0, None, 0, REDELIVERED), Course::Over, "the ack was lost");
    }

    #[test]
    fn a_failed_task_is_executed_again_when_it_is_published_again() {
        assert_eq!(of(TaskStatus::Failed, 3, None, 0, FRESH), execute(0));
        assert_eq!(of(TaskStatus::Failed, 3, None, 0, REDELIVERED), execute(0), "given back before it began");
        // The retries of then.
        assert_eq!(of(TaskStatus::Failed, 0, None, 1, FRESH), execute(1));
    }

    #[test]
    fn who_waited_for_the_failure_does_not_ask_for_another_one() {
        let at = |second| DateTime::from_timestamp(second, 0);
        let failed = |second| KnownTask { finished_at: at(second), ..known(TaskStatus::Failed, 0, None) };
        let waited = Coming { at: at(10).unwrap(), ..coming(0, WAITED) };
        assert_eq!(course(&failed(11), waited, false), Course::Surplus);
        // It waited for something else: the task had failed before.
        assert_eq!(course(&failed(9), waited, false), execute(0));
    }

    #[test]
    fn an_attempt_that_was_made_is_not_made_again() {
        let error = Some("technical: away");
        let retry = Course::Retry("technical: away".into());
        assert_eq!(of(TaskStatus::Pending, 0, error, 0, REDELIVERED), retry);
        assert_eq!(of(TaskStatus::Pending, 1, error, 1, FRESH), retry);
        assert_eq!(of(TaskStatus::Pending, 0, error, 1, FRESH), execute(1), "the retry itself");
        assert_eq!(of(TaskStatus::Pending, 2, error, 1, REDELIVERED), Course::Surplus);
        assert_eq!(of(TaskStatus::Pending, 0, error, 0, WAITED), Course::Surplus);
    }

    #[test]
    fn what_is_published_again_goes_on_where_the_lost_message_was() {
        assert_eq!(of(TaskStatus::Pending, 2, Some("technical: away"), 0, FRESH), execute(3));
        assert_eq!(of(TaskStatus::Running, 2, None, 0, FRESH), execute(2));
        assert_eq!(of(TaskStatus::Pending, 0, None, 0, FRESH), execute(0));
        // And again, if it was cut off there: it may be all that is left.
        assert_eq!(of(TaskStatus::Running, 2, None, 0, REDELIVERED), execute(2));
        assert_eq!(of(TaskStatus::Pending, 2, Some("technical: away"), 0, REDELIVERED), execute(3));
    }

    #[test]
    fn an_attempt_that_was_cut_off_is_made_again() {
        for how in [FRESH, REDELIVERED, WAITED] {
            assert_eq!(of(TaskStatus::Pending, 1, None, 1, how), execute(1));
            assert_eq!(of(TaskStatus::Running, 1, None, 1, how), execute(1));
        }
        assert_eq!(of(TaskStatus::Running, 2, None, 1, REDELIVERED), Course::Surplus);
    }

    #[test]
    fn what_is_to_be_cancelled_is_not_executed() {
        let to_be_cancelled = |status, error| KnownTask { to_be_cancelled: true, ..known(status, 1, error) };
        for how in [FRESH, REDELIVERED, WAITED] {
            for known in [
                to_be_cancelled(TaskStatus::Pending, Some("technical: away")),
                to_be_cancelled(TaskStatus::Running, None),
            ] {
                assert_eq!(course(&known, coming(2, how), false), Course::Cancel);
            }
        }
        let running = to_be_cancelled(TaskStatus::Running, None);
        assert_eq!(course(&running, coming(1, FRESH), true), Course::Wait, "who is at it ends it");
    }

    #[test]
    fn who_works_on_it_elsewhere_is_waited_for() {
        for how in [FRESH, REDELIVERED, WAITED] {
            assert_eq!(course(&known(TaskStatus::Running, 0, None), coming(0, how), true), Course::Wait);
        }
    }
}
