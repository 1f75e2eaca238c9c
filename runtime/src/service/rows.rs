//! From a task and what became of it to the row that is recorded.

use chrono::{DateTime, Utc};
use event_driven::message::{EventMessage, JsonText, Malformed, ShortText, TaskRequest};
use uuid::{Builder, Uuid, Variant, Version};

use crate::{
    lifecycle::{AttemptOutcome, AttemptRow, EventRow, TaskRow, TaskStatus},
    outcome::Failure,
    retry::Verdict,
};

/// The namespace of ids that are made of a producer and a message id: a UUID of our own, fixed for ever.
const MESSAGE_NAMESPACE: Uuid = Uuid::from_u128(0x6ac5_9a4e_7d0f_4b3c_9f6e_2c1d_8b7a_5e43);

/// The id of a message that its producer has given one: the same for each copy of it, on every runtime, so that the
/// row's key alone keeps it from being recorded twice.
///
/// A hash of the two. If the message's id begins with the time, as a UUID of version 7 does, so does this one: rows that come
/// together stand together in the index of the keys, and a large table has few of its pages in use.
pub fn id_of_message(producer_app: &ShortText, message_id: &ShortText) -> Uuid {
    let hash = Uuid::new_v5(&MESSAGE_NAMESPACE, format!("{producer_app}\0{message_id}").as_bytes());
    match Uuid::try_parse(message_id.as_str()) {
        Ok(given) if (given.get_version(), given.get_variant()) == (Some(Version::SortRand), Variant::RFC4122) => {
            // 48 bits are the time (RFC 9562, 5.7); 74 of the hash are left.
            let (mut bytes, time) = (hash.into_bytes(), given.as_bytes().iter().take(6));
            bytes.iter_mut().zip(time).for_each(|(byte, time)| *byte = *time);
            Builder::from_custom_bytes(bytes).into_uuid()
        }
        _ => hash,
    }
}

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
        // Apart from the task of that id, which may be a good one; the same each time, so that it is recorded once.
        (Some(producer), Some(message)) => Uuid::new_v5(&id_of_message(producer, message), b"malformed"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_message_never_changes() {
        let id = |producer: &str, message: &str| {
            id_of_message(&producer.parse().unwrap(), &message.parse().unwrap()).to_string()
        };
        assert_eq!(id("shop", "order-17"), "0a3f8755-7931-544f-b944-bc52d022d11f");
        assert_ne!(id("shop", "order-17"), id("shop", "order-18"));
        assert_ne!(id("a", "bc"), id("ab", "c"));
        let given = "019ac4f0-5d7e-7b3a-8c11-0123456789ab";
        assert_eq!(id("shop", given), "019ac4f0-5d7e-841d-8a70-007a391561d8");
        assert_ne!(id("shop", given), id("other", given));
        assert_ne!(id("shop", given), id("shop", &given.to_uppercase()));
        assert!(id("shop", "019ac4f0-5d7e-4b3a-8c11-0123456789ab").get(14..15) == Some("5"), "a random one is hashed");
    }
}
