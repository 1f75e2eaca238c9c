//! Decides whether a request is executed, and as which task (invariant 2).
//!
//! A message with an id is the task of its producer and that id: if that task is COMPLETED, the message is done. One
//! without an id is a task of its own, unless it was delivered before or comes back for a retry: then it takes over the
//! unfinished row of the same content.

use std::time::Duration;

use event_driven::{backoff::Backoff, message::TaskRequest, names::Attempt};
use uuid::Uuid;

use super::{Service, in_flight::Claim, rows};
use crate::{
    broker::{Delivery, Settlement},
    lifecycle::{KnownTask, QueryError, TakeOver, TaskRow, TaskStatus},
    outcome::ErrorClass,
};

/// A task that is to be executed, and the right to do so.
pub(super) struct Task {
    /// What was asked for.
    pub(super) request: TaskRequest,
    /// Its row as it is before the attempt.
    pub(super) row: TaskRow,
    /// While this is held, no other delivery of the same task goes on in this runtime.
    _claim: Claim,
}

/// What becomes of a request.
pub(super) enum Admission {
    /// It is executed.
    Execute(Box<Task>),
    /// It needs no execution; this becomes of its message.
    Settle(Settlement),
    /// Nothing is to be done with it: the stop came before the database could tell, or the connection that it came by is
    /// gone and the broker delivers it again.
    Drop,
}

impl Service {
    pub(super) async fn admit(&self, request: TaskRequest, delivery: &Delivery) -> Admission {
        // Waiting for another delivery of the same task, or for a database that is away, must not hold up a stop.
        let identified = self.cut_off.run_until_cancelled(self.identify(&request, delivery)).await;
        let Some((claim, known)) = identified else { return Admission::Drop };
        if delivery.is_void() {
            return Admission::Drop;
        }
        let row = rows::accepted(claim.id(), &request, self.parts.database.clock().now());
        let Some(known) = known else { return Admission::Execute(Box::new(Task { request, row, _claim: claim })) };
        let over = match known.status {
            TaskStatus::Completed | TaskStatus::Cancelled => true,
            // Who publishes a failed task's message once more wants it executed once more. A copy of the message that
            // made it fail, delivered again or waiting meanwhile, does not.
            TaskStatus::Failed => (delivery.redelivered || claim.waited()) && known.attempt >= request.attempt.number(),
            TaskStatus::Pending | TaskStatus::Running => false,
        };
        match over {
            true => self.settle_again(&request, row.id, known.status).await,
            false => Admission::Execute(Box::new(Task { request, row, _claim: claim })),
        }
    }

    /// What becomes of a message whose task is over: what became of the one that it is a copy of.
    async fn settle_again(&self, request: &TaskRequest, id: Uuid, status: TaskStatus) -> Admission {
        tracing::debug!(task.id = %id, "a message of a task that is over");
        if status == TaskStatus::Completed && request.reply_to.is_none() {
            return Admission::Settle(Settlement::Ack);
        }
        let row = self.cut_off.run_until_cancelled(patiently(|| self.parts.database.find_task(id))).await;
        let Some(row) = row.flatten() else { return Admission::Drop };
        if !self.answer(request, &row).await {
            return Admission::Drop;
        }
        let error = row.error.as_deref().filter(|_| row.status == TaskStatus::Failed);
        Admission::Settle(match error {
            Some(error) if !ErrorClass::is_final_text(error) => Settlement::DeadLetter { error: error.to_owned() },
            Some(_) | None => Settlement::Ack,
        })
    }

    /// Which task this is, and where it stands if it is known.
    async fn identify(&self, request: &TaskRequest, delivery: &Delivery) -> (Claim, Option<KnownTask>) {
        if let Some(message_id) = &request.message_id {
            let claim = self.in_flight.claim(rows::id_of_message(&request.producer_app, message_id)).await;
            let known = patiently(|| self.parts.lookups.state(claim.id())).await;
            return (claim, known);
        }
        if delivery.redelivered || request.attempt > Attempt::FIRST {
            // One at a time: between the look at what is in flight and the claim, no other may choose the same row.
            let _one_at_a_time = self.taking_over.lock().await;
            let taken = patiently(|| self.take_over(request, delivery.redelivered)).await;
            if let Some(id) = taken {
                return (self.in_flight.claim(id).await, None);
            }
        }
        (self.in_flight.claim(Uuid::now_v7()).await, None)
    }

    async fn take_over(&self, request: &TaskRequest, redelivered: bool) -> Result<Option<Uuid>, QueryError> {
        let in_flight = self.in_flight.ids();
        let message = TakeOver {
            producer_app: request.producer_app.as_str(),
            correlation_id: request.correlation_id.as_str(),
            task_name: request.task_name.as_str(),
            payload: Some(request.payload.as_str()),
            attempt: request.attempt.number(),
            redelivered,
            exclude: &in_flight,
            runtime_id: &self.runtime_id,
            at: self.parts.database.clock().now(),
        };
        match self.parts.database.take_over(&message).await {
            Ok(taken) => Ok(taken.map(|taken| taken.id)),
            // A content that can't be compared is not stored either.
            Err(QueryError::Refused(error)) => {
                tracing::debug!(%error, "no row can be taken over: {error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The first pause between two questions to a database that is away.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How long one question may take: a server that is gone without a word would keep it for as long as TCP hopes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks again for as long as the database can't answer; meanwhile the delivery is held, so that the prefetch stops the
/// flow. A question by id can't be refused for its data, so a refusal may pass too. Cancel-safe.
async fn patiently<T, F>(ask: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, QueryError>>,
{
    let mut backoff = Backoff::starting_at(FIRST_PAUSE);
    loop {
        match tokio::time::timeout(PATIENCE, ask()).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(error)) => tracing::debug!(%error, "a task could not be looked up, asking again: {error}"),
            Err(_) => tracing::debug!("a task could not be looked up within {PATIENCE:?}, asking again"),
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}
