//! From a task and what became of it to the row that is recorded.

use chrono::{DateTime, Utc};
use event_driven::message::{EventMessage, JsonText, Malformed, ShortText, TaskRequest};
use uuid::Uuid;

use crate::{
    lifecycle::{AttemptOutcome, AttemptRow, EventRow, TaskRow, TaskStatus, id_of_malformed, id_of_message},
    outcome::Failure,
    retry::Verdict,
};

/// The row of a task that was accepted.
pub(super) fn accepted(id: Uuid, request: &TaskRequest, now: DateTime<Utc>) -> TaskRow {
    let mut row = TaskRow::new(id, now);
    row.correlation_id = Some(request.correlation_id.shared());
    row.producer_app = Some(request.producer_app.shared());
    row.task_name = Some(request.task_name.shared());
    row.payload = Some(request.payload.shared());
    row.message_id = request.message_id.as_ref().map(ShortText::shared);
    row.routing_key = Some(request.routing_key.as_str().into());
    row.attempt = request.attempt.number();
    row
}

/// The row of a task whose last attempt had failed with `error`, and that has no further one.
pub(super) fn exhausted(id: Uuid, request: &TaskRequest, error: &str, now: DateTime<Utc>) -> TaskRow {
    let mut row = accepted(id, request, now);
    row.fail(error, now);
    row
}

/// The row of a task that is not executed, because of this.
pub(super) fn cancelled(id: Uuid, request: &TaskRequest, why: &Failure, now: DateTime<Utc>) -> TaskRow {
    let mut row = accepted(id, request, now);
    row.cancel(why, now);
    row
}

/// The row of a message that breaks the contract: what could be told of it, and what is wrong.
pub(super) fn malformed(
    malformed: &Malformed,
    routing_key: &str,
    failure: &Failure,
    mut attempt: AttemptRow,
) -> TaskRow {
    let now = attempt.started_at;
    attempt.end(AttemptOutcome::Failed, Some(failure.clone()), now);
    let partial = &malformed.partial;
    let id = match (&partial.producer_app, &partial.message_id) {
        (Some(producer), Some(message)) => id_of_malformed(producer, message),
        _ => Uuid::now_v7(),
    };
    let mut row = TaskRow::new(id, now);
    row.correlation_id = partial.correlation_id.as_ref().map(ShortText::shared);
    row.producer_app = partial.producer_app.as_ref().map(ShortText::shared);
    row.task_name = partial.task_name.as_ref().map(ShortText::shared);
    row.payload = partial.payload.as_ref().map(JsonText::shared);
    row.message_id = partial.message_id.as_ref().map(ShortText::shared);
    row.routing_key = Some(routing_key.into());
    row.runtime_id = Some(attempt.runtime_id.clone());
    row.fail(failure.to_string(), now);
    row.attempts.push(attempt);
    row
}

/// Changes the row, and the attempt's own, to what they are after it, by what was decided.
pub(super) fn after(row: &mut TaskRow, verdict: &Verdict, now: DateTime<Utc>) {
    // None if it was given back before it had begun.
    if let Some(attempt) = row.attempts.last_mut() {
        let (outcome, failure) = match verdict {
            Verdict::Complete(_) => (AttemptOutcome::Completed, None),
            Verdict::Fail(failure) | Verdict::Bury(failure) | Verdict::Retry(failure) => {
                (AttemptOutcome::Failed, Some(failure.clone()))
            }
            Verdict::GiveBack => (AttemptOutcome::Interrupted, None),
            Verdict::Cancel => (AttemptOutcome::Failed, Some(Failure::cancelled())),
        };
        attempt.end(outcome, failure, now);
    }
    match verdict {
        Verdict::Complete(result) => {
            row.status = TaskStatus::Completed;
            row.result = Some(result.clone());
            row.finished_at = Some(now);
        }
        Verdict::Fail(failure) | Verdict::Bury(failure) => row.fail(failure.to_string(), now),
        Verdict::Retry(failure) => {
            row.status = TaskStatus::Pending;
            row.error = Some(failure.to_string().into());
        }
        Verdict::GiveBack => {
            row.status = TaskStatus::Pending;
            // Nobody's: the next one need not wait until this runtime is known to be gone.
            row.runtime_id = None;
        }
        Verdict::Cancel => row.cancel(&Failure::cancelled(), now),
    }
}

/// The row of an event that was delivered, perhaps not for the first time.
pub(super) fn event(message: &EventMessage, redelivered: bool, now: DateTime<Utc>) -> EventRow {
    let id = match &message.message_id {
        Some(id) => id_of_message(&message.producer_app, id),
        None => Uuid::now_v7(),
    };
    EventRow {
        id,
        correlation_id: Some(message.correlation_id.shared()),
        producer_app: Some(message.producer_app.shared()),
        created_at: now,
        headers: serde_json::to_string(&message.headers).ok().map(Into::into),
        payload: Some(message.payload.shared()),
        routing_key: message.routing_key.as_str().into(),
        message_id: message.message_id.as_ref().map(ShortText::shared),
        presumed_new: !redelivered,
    }
}
