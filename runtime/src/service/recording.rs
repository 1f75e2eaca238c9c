//! The last two steps of a task's way: its row is committed, then it is known what becomes of its message.

use std::sync::Arc;

use event_driven::{
    message::{Malformed, TaskRequest},
    names::Attempt,
};

use super::{Service, admission::Task, attempt::Made, rows};
use crate::{
    broker::{Delivery, Settlement},
    lifecycle::{AttemptRow, RecordError, TaskRow},
    outcome::{ErrorClass, Failure},
    retry::{self, Verdict},
};

impl Service {
    /// Records what the attempt gave, answers who asked for an answer, and tells what becomes of the message. `None` if
    /// the service stopped before the row was committed.
    pub(super) async fn conclude(&self, task: &Task, made: Made) -> Option<Settlement> {
        let (attempt, Made { row, outcome, retries }) = (task.request.attempt, made);
        let verdict = retry::decide(outcome, attempt.number(), retries);
        let settlement = settlement(&verdict, attempt);
        let row = rows::after(row, &verdict, self.parts.database.clock().now());
        log(&row, &verdict);
        self.commit(&task.request, row, settlement).await
    }

    /// Commits the row, answers who asked for an answer if the task is over, and gives the settlement; another one if the
    /// database refuses the row.
    pub(super) async fn commit(
        &self,
        request: &TaskRequest,
        row: TaskRow,
        settlement: Settlement,
    ) -> Option<Settlement> {
        let row = Arc::new(row);
        let settlement = match self.parts.recorder.record(row.clone()).await {
            Ok(()) => settlement,
            Err(RecordError::Stopped) => return self.not_recorded(),
            Err(RecordError::Refused { reason }) => return Box::pin(self.bury_unstorable(row, &reason)).await,
        };
        self.answer(request, &row).await.then_some(settlement)
    }

    /// A message that breaks the contract: its row says what is wrong, and it is dead-lettered at once.
    pub(super) async fn refuse_task(&self, delivery: &Delivery, malformed: &Malformed) -> Option<Settlement> {
        let failure = Failure::new(ErrorClass::Malformed, malformed.to_string());
        let attempt = AttemptRow::begun(0, self.runtime_id.clone(), self.parts.database.clock().now());
        let row = Arc::new(rows::malformed(malformed, &delivery.routing_key, &failure, attempt));
        tracing::info!(task.id = %row.id, "a message breaks the contract: {malformed}");
        match self.parts.recorder.record(row.clone()).await {
            Ok(()) => Some(Settlement::DeadLetter { error: failure.to_string() }),
            Err(RecordError::Stopped) => self.not_recorded(),
            Err(RecordError::Refused { reason }) => self.bury_unstorable(row, &reason).await,
        }
    }

    /// What is not known to be committed stays in its queue.
    pub(super) fn not_recorded(&self) -> Option<Settlement> {
        self.recorder_stopped();
        None
    }

    /// A row that the database refuses is stored without what it refuses, and its message is kept for a person to see.
    pub(super) async fn bury_unstorable(&self, row: Arc<TaskRow>, reason: &str) -> Option<Settlement> {
        let failure = Failure::unstorable(reason);
        tracing::warn!(task.id = %row.id, "{failure}");
        match self.parts.recorder.record(Arc::unwrap_or_clone(row).storable(reason)).await {
            Ok(()) => {}
            Err(RecordError::Stopped) => return self.not_recorded(),
            // Without payload and result nothing is left that could be refused; the message is kept even so.
            Err(RecordError::Refused { reason }) => tracing::error!("a task can't be recorded at all: {reason}"),
        }
        Some(Settlement::DeadLetter { error: failure.to_string() })
    }
}

/// What becomes of the message of an attempt, counted from 0.
fn settlement(verdict: &Verdict, attempt: Attempt) -> Settlement {
    match verdict {
        Verdict::Complete(_) | Verdict::Fail(_) | Verdict::Cancel => Settlement::Ack,
        Verdict::Retry(failure) => Settlement::Retry { attempt: attempt.next(), error: failure.to_string() },
        Verdict::Bury(failure) => Settlement::DeadLetter { error: failure.to_string() },
        Verdict::GiveBack => Settlement::Release,
    }
}

/// A task that fails by its own fault wakes nobody.
fn log(row: &TaskRow, verdict: &Verdict) {
    let name = row.task_name.as_deref().unwrap_or_default();
    match verdict {
        Verdict::Complete(_) | Verdict::GiveBack => {
            tracing::debug!(task.id = %row.id, task.name = name, "{}", row.status)
        }
        Verdict::Cancel => tracing::info!(task.id = %row.id, task.name = name, "task {name} was cancelled"),
        Verdict::Retry(failure) => tracing::info!(task.id = %row.id, task.name = name, delivery.attempt = row.attempt,
            "task {name} will be tried again: {failure}"),
        Verdict::Fail(failure) | Verdict::Bury(failure) => {
            tracing::info!(task.id = %row.id, task.name = name, delivery.attempt = row.attempt, "task {name} failed: {failure}");
        }
    }
}
