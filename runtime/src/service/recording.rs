//! The last two steps of a task's way: its row is committed, then it is known what becomes of its message.
//!
//! As a rule nobody waits for the commit: what is left to be done with a delivery takes less memory than its way so far, and is done by
//! who committed the row.

use std::sync::Arc;

use event_driven::{
    message::{Malformed, TaskRequest},
    names::Attempt,
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Service, admission::Task, attempt::Made, load::Held, reply::reply_queue, rows};
use crate::{
    broker::{Delivery, Settlement},
    lifecycle::{AttemptRow, RecordError, TaskRow},
    outcome::{ErrorClass, Failure},
    retry::{self, Verdict},
};

/// What an attempt came to: a task whose row is to be committed, and what becomes of its message then.
pub(super) struct Concluded {
    /// With the right to execute it, which is held until then.
    pub(super) task: Box<Task>,
    pub(super) settlement: Settlement,
}

/// A delivery that is settled when its row is committed.
struct Unsettled {
    service: Arc<Service>,
    concluded: Concluded,
    delivery: Delivery,
    held: Held,
    /// A stop waits for it.
    _token: TaskTrackerToken,
}

impl Unsettled {
    fn recorded(self, answer: Result<(), RecordError>) {
        // The token is dropped last: who waits for it must not find the claim.
        let Self { _token, service, concluded: Concluded { task, settlement }, delivery, held } = self;
        if task.asked.is_none() && matches!(answer, Err(RecordError::Stands | RecordError::Refused { .. })) {
            return service.ask_late(Concluded { task, settlement }, delivery, held);
        }
        if answer.is_ok() && reply_queue(&task.request, &task.row).is_none() {
            return service.settle_held(delivery, Some(settlement), &held);
        }
        let deliveries = service.deliveries.clone();
        deliveries.spawn(async move {
            let Task { request, row, .. } = &*task;
            let settlement = service.after_record(answer, request, row, settlement).await;
            service.settle_held(delivery, settlement, &held);
        });
    }
}

impl Service {
    /// Decides what the attempt comes to.
    pub(super) fn conclude(&self, mut task: Box<Task>, made: Made) -> Concluded {
        let attempt = task.request.attempt;
        let verdict = retry::decide(made.outcome, attempt.number(), made.retries);
        rows::after(Arc::make_mut(&mut task.row), &verdict, self.parts.database.clock().now());
        log(&task.row, &verdict);
        Concluded { settlement: settlement(&verdict, attempt), task }
    }

    /// Hands the row to the recorder, and leaves the delivery to be settled when it is committed. Returns when the recorder has room.
    pub(super) async fn settle_once_recorded(self: &Arc<Self>, concluded: Concluded, delivery: Delivery, held: Held) {
        let (row, service, token) = (concluded.task.row.clone(), self.clone(), self.deliveries.token());
        let unsettled = Unsettled { service, concluded, delivery, held, _token: token };
        self.parts.recorder.record_then(row, move |answer| unsettled.recorded(answer)).await;
    }

    /// Commits the row, answers who asked for an answer if the task is over, and gives the settlement; another one if the
    /// database refuses the row. `None` if the service stopped before the row was committed.
    pub(super) async fn commit(
        &self,
        request: &TaskRequest,
        row: impl Into<Arc<TaskRow>>,
        settlement: Settlement,
    ) -> Option<Settlement> {
        let row = row.into();
        let answer = self.parts.recorder.record(row.clone()).await;
        self.after_record(answer, request, &row, settlement).await
    }

    async fn after_record(
        &self,
        answer: Result<(), RecordError>,
        request: &TaskRequest,
        row: &Arc<TaskRow>,
        settlement: Settlement,
    ) -> Option<Settlement> {
        match answer {
            Ok(()) => self.answer(request, row).await.then_some(settlement),
            Err(RecordError::Stopped) => self.not_recorded(),
            Err(RecordError::Stands) => None,
            Err(RecordError::Refused { reason }) => {
                Box::pin(self.bury_unstorable(Some(request), row.clone(), &reason)).await
            }
        }
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
            Err(RecordError::Stands) => None,
            Err(RecordError::Refused { reason }) => self.bury_unstorable(None, row, &reason).await,
        }
    }

    /// What is not known to be committed stays in its queue.
    pub(super) fn not_recorded(&self) -> Option<Settlement> {
        self.recorder_stopped();
        None
    }

    /// A row that the database refuses is stored without what it refuses, and its message is kept for a person to see. Who asked for an
    /// answer to `request` has it.
    pub(super) async fn bury_unstorable(
        &self,
        request: Option<&TaskRequest>,
        row: Arc<TaskRow>,
        reason: &str,
    ) -> Option<Settlement> {
        let failure = Failure::unstorable(reason);
        tracing::warn!(task.id = %row.id, "{failure}");
        let row = Arc::new(Arc::unwrap_or_clone(row).storable(reason));
        match self.parts.recorder.record(row.clone()).await {
            Ok(()) => {}
            Err(RecordError::Stopped) => return self.not_recorded(),
            Err(RecordError::Stands) => return None,
            // Without payload and result nothing is left that could be refused; the message is kept even so.
            Err(RecordError::Refused { reason }) => tracing::error!("a task can't be recorded at all: {reason}"),
        }
        let answered = match request {
            Some(request) => self.answer(request, &row).await,
            None => true,
        };
        answered.then(|| Settlement::DeadLetter { error: failure.to_string() })
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
