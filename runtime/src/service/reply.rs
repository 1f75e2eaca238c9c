//! Tells who asked for an answer (`reply_to`) how the task ended.
//!
//! Body: the result itself of a COMPLETED task, else `{"error": "class: message"}`. Headers: `x-status` and `x-task-id`.
//! The answer is confirmed by the broker before the task's own message leaves its queue; where nobody listens any more
//! it is dropped by the broker.

use std::time::Duration;

use event_driven::{
    lapin::{
        BasicProperties,
        types::{AMQPValue, FieldTable},
    },
    message::{ShortText, TaskRequest},
};
use serde_json::json;

use super::Service;
use crate::{
    broker::{Publish, PublishError, Target},
    lifecycle::TaskRow,
};

/// The header that says how the task ended: `COMPLETED`, `FAILED` or `CANCELLED`.
pub const STATUS_HEADER: &str = "x-status";

/// The header with the task's id.
pub const ID_HEADER: &str = "x-task-id";

/// The pause between two tries to publish an answer.
const PAUSE: Duration = Duration::from_millis(500);

impl Service {
    /// Answers if the task is over and someone asked. False if the stop came before the broker took the answer: then the
    /// message has to stay in its queue.
    pub(super) async fn answer(&self, request: &TaskRequest, row: &TaskRow) -> bool {
        let Some(queue) = request.reply_to.as_ref().filter(|_| row.status.is_final()) else { return true };
        let body = match &row.result {
            Some(result) => result.to_string(),
            None => json!({ "error": row.error.as_deref() }).to_string(),
        };
        let publish = Publish {
            target: Target::Reply(queue.to_string()),
            properties: properties(&request.correlation_id, row),
            body: body.into(),
        };
        self.cut_off.run_until_cancelled(self.publish_answer(publish, row)).await.is_some()
    }

    /// Publishes until the broker has it. Where nobody listens any more there is nobody to answer.
    async fn publish_answer(&self, publish: Publish, row: &TaskRow) {
        while let Err(error) = self.parts.broker.publish(publish.clone()).await {
            if matches!(error, PublishError::Unroutable { .. }) || !error.may_pass() {
                tracing::info!(task.id = %row.id, "nobody takes the answer: {error}");
                return;
            }
            tracing::debug!(task.id = %row.id, %error, "the answer is not published yet: {error}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn properties(correlation_id: &ShortText, row: &TaskRow) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert(STATUS_HEADER.into(), AMQPValue::LongString(row.status.as_str().into()));
    headers.insert(ID_HEADER.into(), AMQPValue::LongString(row.id.to_string().into()));
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_correlation_id(correlation_id.to_short_string())
        .with_headers(headers)
}
