//! Tells who asked for an answer (`reply_to`) how the task ended.
//!
//! The form of the answer is [`Outcome`]'s. It is confirmed by the broker before the task's own message leaves its queue,
//! unless nobody takes it. A copy of the message of a task that is over has its answer from the task's row.

use std::time::Duration;

use event_driven::message::{JsonText, Outcome, ShortText, TaskRequest};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Service, admission::Admission, waiting::patiently};
use crate::{
    broker::{Delivery, Publish, PublishError, Settlement, Target},
    lifecycle::{TaskRow, TaskStatus},
    outcome::ErrorClass,
};

/// The pause between two tries to publish an answer.
const PAUSE: Duration = Duration::from_millis(500);

/// For how long an answer is tried to be published: a queue that confirms nothing (without a majority of its replicas, say) must not hold
/// the places of tasks for ever. More than who waits for an answer has patience for, as a rule.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

impl Service {
    /// Answers if the task is over and someone asked. False if the stop came before the broker took the answer: then the
    /// message has to stay in its queue.
    pub(super) async fn answer(&self, request: &TaskRequest, row: &TaskRow) -> bool {
        let Some(queue) = reply_queue(request, row) else { return true };
        let encoded = outcome(row).encode(&request.correlation_id, Some(&row.id.to_string()));
        let publish =
            Publish { target: Target::Reply(queue.to_string()), properties: encoded.properties, body: encoded.body };
        Box::pin(self.cut_off.run_until_cancelled(self.publish_answer(publish, row))).await.is_some()
    }

    /// What becomes of a message whose task is over: what became of the one that it is a copy of.
    pub(super) async fn settle_again(
        &self,
        request: &TaskRequest,
        id: Uuid,
        completed: bool,
        delivery: &Delivery,
    ) -> Admission {
        tracing::debug!(task.id = %id, "a message of a task that is over");
        self.count_duplicate();
        if completed && request.reply_to.is_none() {
            return Admission::Settle(Settlement::Ack);
        }
        let Some(row) = self.answer_again(request, id, delivery).await else { return Admission::Drop };
        let error = row.error.as_deref().filter(|_| row.status == TaskStatus::Failed);
        Admission::Settle(match error {
            Some(error) if !ErrorClass::is_final_text(error) => Settlement::DeadLetter { error: error.to_owned() },
            Some(_) | None => Settlement::Ack,
        })
    }

    /// A message for whose task another one stands. Each that asked for an answer has its own, if the task is over.
    pub(super) async fn surplus(
        &self,
        request: &TaskRequest,
        id: Uuid,
        is_over: bool,
        delivery: &Delivery,
    ) -> Admission {
        tracing::debug!(task.id = %id, "a message of a task for which another one stands");
        self.count_duplicate();
        if is_over && request.reply_to.is_some() && self.answer_again(request, id, delivery).await.is_none() {
            return Admission::Drop;
        }
        Admission::Settle(Settlement::Ack)
    }

    /// Answers with what is stored of the task, which is over. `None` if the message has to stay in its queue.
    async fn answer_again(&self, request: &TaskRequest, id: Uuid, delivery: &Delivery) -> Option<TaskRow> {
        let row = self.in_time(patiently(|| self.parts.database.find_task(id)), delivery).await??;
        self.in_time(self.answer(request, &row), delivery).await?.then_some(row)
    }

    /// Publishes until the broker has it, or nobody takes it: the queue is gone or refuses, or confirms nothing for [`PATIENCE`].
    async fn publish_answer(&self, publish: Publish, row: &TaskRow) {
        let began = Instant::now();
        while let Err(error) = self.parts.broker.publish(publish.clone()).await {
            // A queue that refuses must not hold up the tasks of others.
            let refused = matches!(error, PublishError::Unroutable { .. } | PublishError::Nacked { .. });
            if refused || !error.may_pass() || began.elapsed() >= PATIENCE {
                tracing::info!(task.id = %row.id, "nobody takes the answer: {error}");
                return;
            }
            tracing::debug!(task.id = %row.id, %error, "the answer is not published yet: {error}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Where it is to be told how the task ended, if that was asked and it has.
pub(super) fn reply_queue<'r>(request: &'r TaskRequest, row: &TaskRow) -> Option<&'r ShortText> {
    request.reply_to.as_ref().filter(|_| row.status.is_final())
}

fn outcome(row: &TaskRow) -> Outcome {
    let error = || row.error.as_deref().unwrap_or_default().to_owned();
    match (&row.result, row.status) {
        (Some(result), _) => JsonText::new(result)
            .map_or_else(|error| Outcome::Failed(format!("the result {error}")), Outcome::Completed),
        (None, TaskStatus::Cancelled) => Outcome::Cancelled(error()),
        (None, _) => Outcome::Failed(error()),
    }
}
