//! What HTTP and `warren dev` put in at the front: a row first, then its message, so that an id that was given out is
//! known from then on.

use std::time::Duration;

use event_driven::{
    message::{
        Encoded, EventMessage, HeaderError, JsonText, ShortText, ShortTextError, Start, TaskRequest, UniqueFor,
        moved_properties,
    },
    names::{Attempt, Priority, TaskName},
};
use serde_json::value::RawValue;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Service, rows};
use crate::{
    broker::{Publish, PublishError, Target},
    lifecycle::{Inserted, QueryError, TaskRow, TaskStatus, id_of_message},
    outcome::{ErrorClass, Failure},
};

/// A request for a task that did not come as a message.
#[derive(Debug)]
pub struct Submission {
    /// The component that is to run.
    pub task_name: String,
    /// What it is given.
    pub payload: Box<RawValue>,
    /// Who asks; this service's name if nothing is said.
    pub producer_app: Option<String>,
    /// A new UUID if nothing is said.
    pub correlation_id: Option<String>,
    /// A new UUID if nothing is said.
    pub message_id: Option<String>,
    /// `routing.task.run.<task_name>` if nothing is said.
    pub routing_key: Option<String>,
    /// When it is to be executed.
    pub start: Start,
    /// How much of a hurry it is in. Not normal only without a `routing_key`, which leads to a queue of its own.
    pub priority: Priority,
    /// For how long no other task like it is to be executed.
    pub unique_for: Option<UniqueFor>,
}

/// Why a task was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The request breaks the contract. The same request will be refused again.
    #[error("{0}")]
    Malformed(String),
    /// The row could not be written, so nothing was published.
    #[error("the database does not take the task now, try again: {0}")]
    Database(#[from] QueryError),
    /// The row was written, and not what became of the task.
    #[error("the database does not take the task now, try again: {0}")]
    Unrecorded(String),
    /// The row was written, and the broker did not take the message: the row says so.
    #[error("the broker does not take the task now, try again: {0}")]
    Broker(#[from] PublishError),
}

/// An event that did not come as a message.
#[derive(Debug)]
pub struct NewEvent {
    /// `routing.event.T.E`.
    pub routing_key: String,
    /// What happened: a JSON object.
    pub payload: Box<RawValue>,
    /// This service's name if nothing is said.
    pub producer_app: Option<String>,
    /// A new UUID if nothing is said.
    pub correlation_id: Option<String>,
    /// A new UUID if nothing is said.
    pub message_id: Option<String>,
}

/// How often a row is looked at while someone waits for an outcome that another runtime may give.
const POLL: Duration = Duration::from_millis(250);

/// How long the refusal of a request may wait for the database.
const PATIENCE: Duration = Duration::from_secs(5);

impl Service {
    /// Accepts a task: commits its row, then publishes its message. Gives the row as it stands; of an id that is known
    /// already, that is the row of then.
    ///
    /// # Errors
    /// See [`SubmitError`]. A task that was not accepted is not executed, unless the broker took the message and could
    /// not say so.
    pub async fn submit(&self, submission: Submission) -> Result<TaskRow, SubmitError> {
        let (mut request, message_id) = self.request_of(submission)?;
        let id = id_of_message(&request.producer_app, &message_id);
        let row = rows::accepted(id, &request, self.parts.database.clock().now());
        let begins = match self.parts.database.insert_pending(row.clone()).await? {
            Inserted::Existing(existing) if existing.status == TaskStatus::Completed => return Ok(*existing),
            // Published once more: a crash may have come between the row and its message. The id keeps it to one run.
            Inserted::Existing(existing) if existing.status == TaskStatus::Failed => {
                self.parts.database.reopen(id).await?;
                true
            }
            Inserted::Existing(_) => false,
            Inserted::New => true,
        };
        // What was accepted before has had its answer then.
        if let Some(time) = request.unique_for.take().filter(|_| begins) {
            let holder = match self.claim_kind(&request, id, &message_id, false, time).await {
                Ok(holder) => holder,
                Err(error) => {
                    self.withdraw(row, error.to_string()).await;
                    return Err(error.into());
                }
            };
            if holder.id_task != id {
                let row = self.duplicate(id, &request, &holder);
                self.parts
                    .recorder
                    .record(row.clone())
                    .await
                    .map_err(|error| SubmitError::Unrecorded(error.to_string()))?;
                return Ok(row);
            }
        }
        if let Some(due_at) = self.due_at(&request).filter(|_| begins) {
            return match self.put_by(id, &request, due_at, false).await {
                Ok(Ok(())) => Ok(self.parts.database.find_task(id).await?.unwrap_or(row)),
                Ok(Err(reason)) => Err(SubmitError::Malformed(reason)),
                Err(error) => {
                    self.withdraw(row, error.to_string()).await;
                    Err(error.into())
                }
            };
        }
        match self.parts.broker.publish(publish_task(&request)).await {
            Ok(()) => Ok(self.parts.database.find_task(id).await?.unwrap_or(row)),
            Err(error) => {
                if begins {
                    self.withdraw(row, error.to_string()).await;
                }
                Err(error.into())
            }
        }
    }

    /// Publishes an event. Gives the id under which it will be stored.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn publish_event(&self, event: NewEvent) -> Result<Uuid, SubmitError> {
        let malformed = |error: HeaderError| SubmitError::Malformed(error.to_string());
        let payload = JsonText::new(event.payload.get()).map_err(|error| wrong("payload", error))?;
        if !payload.is_object() {
            return Err(SubmitError::Malformed("payload is no JSON object".to_owned()));
        }
        let message_id = short("message_id", event.message_id, new_text)?;
        let message = EventMessage {
            routing_key: short("routing_key", Some(event.routing_key), String::new)?.to_string(),
            payload,
            producer_app: short("producer_app", event.producer_app, || self.parts.config.service.name.clone())?,
            correlation_id: short("correlation_id", event.correlation_id, new_text)?,
            message_id: Some(message_id.clone()),
            headers: serde_json::Map::new(),
        };
        let encoded = message.encode().map_err(malformed)?;
        let target = Target::Event(message.routing_key.clone());
        let publish = Publish { target, properties: encoded.properties, body: encoded.body };
        self.parts.broker.publish(publish).await?;
        Ok(id_of_message(&message.producer_app, &message_id))
    }

    /// The row of a task, once it says how the task ended, or after `patience` as it stands then. `None` if there is no
    /// such task.
    ///
    /// # Errors
    /// If the database can't be asked.
    pub async fn wait_for(&self, id: Uuid, patience: Duration) -> Result<Option<TaskRow>, QueryError> {
        let deadline = Instant::now() + patience;
        loop {
            // Subscribed first: an end that comes between the look and the wait is not missed.
            let mut end = self.parts.recorder.subscribe(id);
            let row = self.parts.database.find_task(id).await?;
            let over = row.as_ref().is_none_or(|row| row.status.is_final());
            if over || Instant::now() >= deadline {
                return Ok(row);
            }
            // Another runtime's end is not told here: the row is looked at again from time to time.
            let next = deadline.min(Instant::now() + POLL);
            let _told_or_time = tokio::time::timeout_at(next, end.committed()).await;
        }
    }

    fn request_of(&self, submission: Submission) -> Result<(TaskRequest, ShortText), SubmitError> {
        let task_name: TaskName = submission.task_name.parse().map_err(|error| wrong("task_name", error))?;
        let priority = submission.priority;
        if priority != Priority::Normal && submission.routing_key.is_some() {
            return Err(wrong("priority", "stands beside routing_key, which leads to a queue of its own: one of them"));
        }
        let message_id = short("message_id", submission.message_id, new_text)?;
        let request = TaskRequest {
            routing_key: short("routing_key", submission.routing_key, || priority.default_key(&task_name))?.to_string(),
            task_name,
            payload: JsonText::new(submission.payload.get()).map_err(|error| wrong("payload", error))?,
            producer_app: short("producer_app", submission.producer_app, || self.parts.config.service.name.clone())?,
            correlation_id: short("correlation_id", submission.correlation_id, new_text)?,
            message_id: Some(message_id.clone()),
            reply_to: None,
            attempt: Attempt::FIRST,
            start: submission.start,
            priority,
            unique_for: submission.unique_for,
            traceparent: None,
            tracestate: None,
        };
        Ok((request, message_id))
    }

    /// The row of a task whose message nobody took says so.
    async fn withdraw(&self, mut row: TaskRow, error: String) {
        let failure = Failure::new(ErrorClass::Technical, format!("the message was not published: {error}"));
        row.fail(failure.to_string(), self.parts.database.clock().now());
        let recorded = tokio::time::timeout(PATIENCE, self.parts.recorder.record(row)).await;
        if !matches!(recorded, Ok(Ok(()))) {
            tracing::warn!("the row of a task that was not published could not be closed within {PATIENCE:?}");
        }
    }
}

fn new_text() -> String {
    Uuid::now_v7().to_string()
}

/// An id for what was given none.
pub(super) fn new_id() -> ShortText {
    ShortText::new(new_text()).expect("a UUID is a short text")
}

/// The message of a task, to the queue of its class.
pub(super) fn publish_task(request: &TaskRequest) -> Publish {
    let Encoded { properties, body } = request.encode();
    match request.priority {
        Priority::Normal => Publish { target: Target::Task(request.routing_key.clone()), properties, body },
        class @ (Priority::High | Priority::Low) => {
            let properties = moved_properties(&properties, &request.routing_key);
            Publish { target: Target::Class(class), properties, body }
        }
    }
}

/// A text that was given or is made up.
fn short(what: &str, given: Option<String>, default: impl FnOnce() -> String) -> Result<ShortText, SubmitError> {
    given.unwrap_or_else(default).parse().map_err(|error: ShortTextError| wrong(what, error))
}

fn wrong(what: &str, error: impl std::fmt::Display) -> SubmitError {
    SubmitError::Malformed(format!("{what} {error}"))
}
