//! Takes up again what was accepted and is not done: for `warren dev`, whose broker does not outlive the process.

use event_driven::{message::TaskRequest, names::Attempt};

use super::{
    Service,
    submit::{SubmitError, publish_task},
};
use crate::lifecycle::{Cursor, TaskRow, TaskStatus};

/// Rows that are read at once; each may carry a payload of some megabytes.
const PAGE: u64 = 256;

impl Service {
    /// Publishes the message of each unfinished row once more. Gives how many that were.
    ///
    /// # Errors
    /// If the database can't be asked, or the broker refuses a message: what is left is taken up at the next start.
    pub async fn resume(&self) -> Result<usize, SubmitError> {
        let (mut count, mut after) = (0, None);
        loop {
            let rows = self.parts.database.unfinished(PAGE, after).await?;
            let Some(last) = rows.last() else { return Ok(count) };
            after = Some(Cursor { created_at: last.created_at, id: last.id });
            for row in rows {
                if let Some(request) = request_of(&row) {
                    self.parts.broker.publish(publish_task(&request)).await?;
                    count += 1;
                }
            }
        }
    }
}

/// The message that the row was made of; `None` if the row does not say enough.
fn request_of(row: &TaskRow) -> Option<TaskRequest> {
    let attempt = Attempt::new(row.attempt);
    // A row that waits for its retry tells of the attempt before.
    let retry = row.status == TaskStatus::Pending && row.error.is_some();
    Some(TaskRequest {
        routing_key: row.routing_key.as_deref()?.to_owned(),
        task_name: row.task_name.as_deref()?.parse().ok()?,
        payload: row.payload.as_deref()?.parse().ok()?,
        producer_app: row.producer_app.as_deref()?.parse().ok()?,
        correlation_id: row.correlation_id.as_deref()?.parse().ok()?,
        message_id: Some(row.message_id.as_deref()?.parse().ok()?),
        reply_to: None,
        attempt: if retry { attempt.next() } else { attempt },
        traceparent: None,
        tracestate: None,
    })
}
