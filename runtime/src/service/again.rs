//! Publishes the message of a task once more, made from its row: for a task whose message is lost, and for one that has failed
//! or was cancelled and is to be tried again.

use event_driven::{
    message::{ShortText, Start, TaskRequest},
    names::{Attempt, Priority},
};
use uuid::Uuid;

use super::{Service, submit::publish_task};
use crate::{
    broker::PublishError,
    lifecycle::{Database, QueryError, TaskRow, TaskStatus},
    outcome::{ErrorClass, Failure},
};

/// Why a task's message can't be made once more.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// There is no such task.
    #[error("no task has the id {0}")]
    Unknown(Uuid),
    /// It was executed to completion, which happens once.
    #[error("task {0} is COMPLETED: publish another one to have its work done again")]
    Completed(Uuid),
    /// Someone works on it.
    #[error("task {id} runs in runtime {runtime_id}, which is alive: wait for its end")]
    Runs {
        /// The task.
        id: Uuid,
        /// Where.
        runtime_id: String,
    },
    /// The row does not hold what a message needs.
    #[error("the row of task {0} does not say enough to make its message again")]
    Incomplete(Uuid),
    /// Something has become of it at this very moment.
    #[error("something has just become of task {0}: look at it once more")]
    Changed(Uuid),
    /// The database can't be asked.
    #[error(transparent)]
    Database(#[from] QueryError),
    /// The message was made, and the broker did not take it. Nothing is lost by trying again.
    #[error("the broker does not take the task now, try again: {0}")]
    Broker(#[from] PublishError),
}

/// The message that stands for the task, made from its row. Where the message of then still waits somewhere, a task
/// with a `message_id` is executed once all the same; one without an id may be executed twice. One that has failed or was
/// cancelled begins anew if it has a `message_id`; without one it has one more attempt. `None`: it waited for its time, and is
/// published by a runtime now.
///
/// # Errors
/// See [`AgainError`].
pub async fn message_of(database: &Database, id: Uuid) -> Result<Option<TaskRequest>, AgainError> {
    let row = database.find_task(id).await?.ok_or(AgainError::Unknown(id))?;
    match row.status {
        TaskStatus::Completed => return Err(AgainError::Completed(id)),
        // Only what is not over is executed to its end under this id.
        TaskStatus::Failed | TaskStatus::Cancelled if row.message_id.is_some() => {
            let anew = TaskRow { status: TaskStatus::Pending, error: None, attempt: 0, ..row };
            let request = request_of(&anew).ok_or(AgainError::Incomplete(id))?;
            database.reopen(id).await?;
            return Ok(Some(request));
        }
        TaskStatus::Failed | TaskStatus::Cancelled | TaskStatus::Pending | TaskStatus::Running => {}
    }
    let runs_in = database.states_of(&[id]).await?.remove(&id).and_then(|known| known.runs_in);
    if let Some(runs_in) = runs_in.filter(|runs_in| runs_in.alive) {
        return Err(AgainError::Runs { id, runtime_id: runs_in.runtime_id });
    }
    if row.message_id.is_some() {
        // Where it waits for its time, that is now: a runtime publishes it, with all that it says.
        return match database.hasten(id).await? {
            true => Ok(None),
            false => request_of(&row).map(Some).ok_or(AgainError::Incomplete(id)),
        };
    }
    // Nothing in a message without an id leads to its row, but a retry takes the row that waits for it.
    let failure = Failure::new(ErrorClass::Technical, "the message was lost; it was published again by hand");
    let error = row.error.clone().filter(|_| row.status != TaskStatus::Running);
    let waiting = TaskRow {
        status: TaskStatus::Pending,
        error: Some(error.unwrap_or_else(|| failure.to_string().into())),
        ..row.clone()
    };
    let request = request_of(&waiting).ok_or(AgainError::Incomplete(id))?;
    match database.let_wait_for_retry(&row, &waiting).await? {
        true => Ok(Some(request)),
        false => Err(AgainError::Changed(id)),
    }
}

/// The message that the row was made of; `None` if the row does not say enough.
pub(super) fn request_of(row: &TaskRow) -> Option<TaskRequest> {
    let attempt = Attempt::new(row.attempt);
    // A row that waits for its retry tells of the attempt before.
    let retry = row.status == TaskStatus::Pending && row.error.is_some();
    let message_id: Option<ShortText> = row.message_id.as_deref().map(str::parse).transpose().ok()?;
    Some(TaskRequest {
        routing_key: row.routing_key.as_deref()?.to_owned(),
        task_name: row.task_name.as_deref()?.parse().ok()?,
        payload: row.payload.as_deref()?.parse().ok()?,
        producer_app: row.producer_app.as_deref()?.parse().ok()?,
        correlation_id: row.correlation_id.as_deref()?.parse().ok()?,
        message_id,
        reply_to: None,
        attempt: if retry { attempt.next() } else { attempt },
        start: Start::AtOnce,
        priority: Priority::Normal,
        unique_for: None,
        traceparent: None,
        tracestate: None,
    })
}

impl Service {
    /// Publishes the message of a task once more, and gives the task's row as it stands then.
    ///
    /// # Errors
    /// If the message can't be made again, or the broker does not take it.
    pub async fn publish_again(&self, id: Uuid) -> Result<TaskRow, AgainError> {
        match message_of(&self.parts.database, id).await? {
            Some(request) => self.parts.broker.publish(publish_task(&request)).await?,
            None => self.delayed_arrived.notify_one(),
        }
        self.parts.database.find_task(id).await?.ok_or(AgainError::Unknown(id))
    }
}
