//! What happens to a task next, and when: from its row and its attempts to a sentence. Pure, as [`crate::retry`] is, whose
//! decisions it tells beforehand.
//!
//! Read by those who show a task ([`crate::api`], the command line); nothing is decided by it. It knows what the database knows:
//! of a message it says where it has to be, for only the broker knows where it is.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{AttemptOutcome, TaskStatus, attempt};

use crate::{config::Config, lifecycle::RunsIn, outcome::ErrorClass};

/// What is stored of a task.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// Where it stands.
    pub status: TaskStatus,
    /// Its last attempt, counted from 0.
    pub attempt: u32,
    /// Why that failed.
    pub error: Option<&'a str>,
    /// When its message is due, if it waits for its time.
    pub due_at: Option<DateTime<Utc>>,
    /// When its last attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// Its attempts, oldest first.
    pub attempts: &'a [attempt::Model],
    /// Of a RUNNING one: where.
    pub runs_in: Option<RunsIn>,
    /// Whether somebody wants it cancelled, and it is not over.
    pub to_be_cancelled: bool,
}

/// The settings by which a task goes on.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// Before the first retry; each further one is twice as long.
    pub retry_delay: Duration,
    /// The most that any attempt may take.
    pub longest_attempt: Duration,
}

impl Course {
    /// That of these settings.
    pub fn of(config: &Config) -> Self {
        Self { retry_delay: config.retry.delay, longest_attempt: config.ceiling.timeout }
    }
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it has a result.
    Completed,
    /// Nothing: it has failed by its own fault, and its message is gone.
    Failed,
    /// Its message is among the dead letters, and may be tried again.
    Dead(Option<ErrorClass>),
    /// It has failed before anything was attempted: RabbitMQ never had its message.
    NeverPublished,
    /// Its message is among the dead letters, and can't ever be executed as it is.
    Unusable,
    /// Nothing: it was cancelled.
    Cancelled,
    /// It ends as cancelled, when its message comes or its runtime has looked.
    IsCancelled,
    /// Its message is published at that time.
    Due(DateTime<Utc>),
    /// Its message comes back from the retry queue at about that time, for that attempt.
    Retry(u32, DateTime<Utc>),
    /// That time has come: its message is in the queue.
    Waits,
    /// The attempt before was given back by a runtime that stopped, or was lost with one.
    WaitsAgain,
    /// It runs there; and ends by that time, whatever it does.
    Runs(String, Option<DateTime<Utc>>),
    /// The runtime that it ran in is gone.
    RuntimeIsGone(String),
}

impl Next {
    /// What happens next to a task, at this time.
    pub fn of(known: &Known<'_>, course: Course, now: DateTime<Utc>) -> Self {
        match known.status {
            TaskStatus::Completed => Self::Completed,
            TaskStatus::Cancelled => Self::Cancelled,
            TaskStatus::Failed => match known.error.and_then(ErrorClass::of_text) {
                Some(class) if class.is_of_the_message() => Self::Unusable,
                Some(class) if !class.may_pass() => Self::Failed,
                // Whatever is buried was attempted.
                _ if known.attempts.is_empty() => Self::NeverPublished,
                class => Self::Dead(class),
            },
            TaskStatus::Pending | TaskStatus::Running if known.to_be_cancelled => Self::IsCancelled,
            TaskStatus::Running => match &known.runs_in {
                Some(runs_in) if runs_in.alive => {
                    let until = known.started_at.zip(TimeDelta::from_std(course.longest_attempt).ok());
                    Self::Runs(runs_in.runtime_id.clone(), until.map(|(start, time)| start + time))
                }
                Some(runs_in) => Self::RuntimeIsGone(runs_in.runtime_id.clone()),
                None => Self::WaitsAgain,
            },
            TaskStatus::Pending => match (known.due_at, known.error) {
                (Some(due_at), _) => Self::Due(due_at),
                (None, Some(_)) => known
                    .retry_at(course)
                    .filter(|at| *at > now)
                    .map_or(Self::Waits, |at| Self::Retry(known.attempt.saturating_add(1), at)),
                (None, None) => match known.attempts.last().map(|attempt| attempt.outcome) {
                    Some(AttemptOutcome::Running | AttemptOutcome::Interrupted | AttemptOutcome::Lost) => {
                        Self::WaitsAgain
                    }
                    Some(AttemptOutcome::Completed | AttemptOutcome::Failed) | None => Self::Waits,
                },
            },
        }
    }

    /// When, if that can be told.
    pub fn at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Due(at) | Self::Retry(_, at) => Some(*at),
            Self::Runs(_, until) => *until,
            Self::Completed
            | Self::Failed
            | Self::Dead(_)
            | Self::NeverPublished
            | Self::Unusable
            | Self::Cancelled
            | Self::IsCancelled
            | Self::Waits
            | Self::WaitsAgain
            | Self::RuntimeIsGone(_) => None,
        }
    }

    /// What happens, as a sentence without the time; `id` and `task_name` are the task's.
    pub fn told(&self, id: &str, task_name: &str) -> String {
        match self {
            Self::Completed => "nothing: it is over".to_owned(),
            Self::Failed => {
                format!("nothing: it failed by its own fault; `warren task retry {id}` has it tried again")
            }
            Self::Dead(class) => {
                let reason = class.map(|class| format!(" --reason {class}")).unwrap_or_default();
                format!(
                    "nothing by itself: its message is a dead letter; `warren task retry {id}` has it tried again, or \
                     `warren dead retry{reason} --component {task_name}` all like it"
                )
            }
            Self::NeverPublished => {
                format!("nothing: it has no message, which was not published; `warren task retry {id}` publishes it")
            }
            Self::Unusable => {
                "nothing: its message can't be executed as it is, and is a dead letter; its publisher has to send another one"
                    .to_owned()
            }
            Self::Cancelled => {
                format!("nothing: it was cancelled; `warren task retry {id}` has it executed after all")
            }
            Self::IsCancelled => "it is cancelled: within a second if it runs, else when its message comes".to_owned(),
            Self::Due(_) => format!(
                "its time comes, and it is published; `warren task retry {id}` has it executed now, `warren task cancel {id}` never"
            ),
            Self::Retry(attempt, _) => format!("attempt {attempt}, when its message comes back from its retry queue"),
            Self::Waits => "its message is in the queue: it is executed as soon as a runtime has a place".to_owned(),
            Self::WaitsAgain => {
                "the attempt that was cut off is made again, as soon as its message is delivered again".to_owned()
            }
            Self::Runs(runtime, _) => format!("it runs in runtime {runtime}, and ends by this time at the latest"),
            Self::RuntimeIsGone(runtime) => format!(
                "runtime {runtime} is gone: it is taken up again when its message is delivered again; if that is lost, \
                 `warren task retry {id}` publishes it"
            ),
        }
    }
}

impl Known<'_> {
    /// When the message of the next attempt comes back from its retry queue, about.
    fn retry_at(&self, course: Course) -> Option<DateTime<Utc>> {
        let failed = self.attempts.iter().rev().find(|attempt| attempt.outcome == AttemptOutcome::Failed)?;
        let delay = course.retry_delay.checked_mul(2_u32.checked_pow(self.attempt)?)?;
        failed.finished_at?.checked_add_signed(TimeDelta::from_std(delay).ok()?)
    }
}

#[cfg(test)]
mod tests;
