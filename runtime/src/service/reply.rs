//! Tells who asked for an answer (`reply_to`) how the task ended.
//!
//! The form of the answer is [`Outcome`]'s. It is confirmed by the broker before the task's own message leaves its queue;
//! where nobody listens any more it is dropped by the broker.

use std::time::Duration;

use event_driven::message::{JsonText, Outcome, ShortText, TaskRequest};

use super::Service;
use crate::{
    broker::{Publish, PublishError, Target},
    lifecycle::{TaskRow, TaskStatus},
};

/// The pause between two tries to publish an answer.
const PAUSE: Duration = Duration::from_millis(500);

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

    /// Publishes until the broker has it. Where nobody listens any more there is nobody to answer.
    async fn publish_answer(&self, publish: Publish, row: &TaskRow) {
        while let Err(error) = self.parts.broker.publish(publish.clone()).await {
            // A queue that refuses must not hold up the tasks of others.
            let refused = matches!(error, PublishError::Unroutable { .. } | PublishError::Nacked { .. });
            if refused || !error.may_pass() {
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
