//! A task that is about to be published: what can be said of it, and how it becomes a message.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use serde::Serialize;

use super::{Publication, PublishError, Publisher, delay, error, event::new_id};
use crate::{
    message::{Outcome, ShortText, Start, TaskRequest, UniqueFor},
    names::{Attempt, Priority, TaskName, TaskRoute},
    trace,
};

/// How long a call waits unless told otherwise.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A task to publish; nothing happens until it is awaited or [called](Self::call).
///
/// Without a word about it, the correlation id and the trace context are those of the current [`tracing`] span if
/// [`trace::layer`] is installed, else the correlation id is new; the message id is new.
#[derive(Debug)]
#[must_use = "a task is published when it is awaited or called"]
pub struct TaskDraft<'p> {
    publisher: &'p Publisher,
    request: Result<TaskRequest, PublishError>,
    expiration: Option<Duration>,
    delay: Option<Duration>,
    timeout: Duration,
}

impl<'p> TaskDraft<'p> {
    pub(super) fn new<T: Serialize + ?Sized>(
        publisher: &'p Publisher,
        producer_app: ShortText,
        name: &str,
        payload: &T,
    ) -> Self {
        let context = trace::current();
        let request = TaskName::new(name).map_err(PublishError::from).and_then(|task_name| {
            Ok(TaskRequest {
                routing_key: Priority::Normal.default_key(&task_name),
                task_name,
                payload: error::payload(payload)?,
                producer_app,
                correlation_id: context.correlation_id.unwrap_or_else(new_id),
                message_id: Some(new_id()),
                reply_to: None,
                attempt: Attempt::FIRST,
                start: Start::AtOnce,
                priority: Priority::Normal,
                unique_for: None,
                traceparent: context.traceparent,
                tracestate: context.tracestate,
            })
        });
        Self { publisher, request, expiration: None, delay: None, timeout: CALL_TIMEOUT }
    }

    /// Where it goes: to the service that serves this route. Without one it goes to warren.
    pub fn route(self, route: &TaskRoute) -> Self {
        self.with(|request| {
            request.routing_key = route.routing_key();
            Ok(())
        })
    }

    /// How much of a hurry it is in, for warren: it goes to the queue of its class. With a [route](Self::route) it goes there all
    /// the same, and its header `x-priority` says this.
    pub fn priority(self, priority: Priority) -> Self {
        self.with(|request| {
            request.priority = priority;
            Ok(())
        })
    }

    /// For so long warren executes no other task of the same producer with the same name and payload: it is CANCELLED. Rounded
    /// up to whole milliseconds; at most [`MAX_UNIQUE_FOR`](crate::names::MAX_UNIQUE_FOR).
    pub fn unique_for(self, time: Duration) -> Self {
        self.with(|request| {
            request.unique_for = Some(UniqueFor::new(time)?);
            Ok(())
        })
    }

    /// What the task belongs to: 1 to 255 bytes. The result carries the same.
    pub fn correlation_id(self, id: impl AsRef<str>) -> Self {
        self.with(|request| {
            request.correlation_id = error::text("the correlation id", id)?;
            Ok(())
        })
    }

    /// Identifies the task together with its producer: warren executes the same one to completion once; a service that
    /// serves the task has to look at the id itself. 1 to 255 bytes.
    pub fn message_id(self, id: impl AsRef<str>) -> Self {
        self.with(|request| {
            request.message_id = Some(error::text("the message id", id)?);
            Ok(())
        })
    }

    /// The queue that gets the result. Not for a [`call`](Self::call), which has a queue of its own.
    pub fn reply_to(self, queue: impl AsRef<str>) -> Self {
        self.with(|request| {
            request.reply_to = Some(error::text("the queue for the reply", queue)?);
            Ok(())
        })
    }

    /// How long the task may wait in its queue, in whole milliseconds. One that waited longer is not executed but
    /// dead-lettered by RabbitMQ.
    pub fn expiration(mut self, after: Duration) -> Self {
        self.expiration = Some(after);
        self
    }

    /// How long the task waits before it goes to who executes it, rounded up to two digits of its milliseconds; at most
    /// [`MAX_DELAY`](super::MAX_DELAY). It waits in RabbitMQ, in a queue `delay.…`, whatever becomes of this process. Whether
    /// somebody will execute it is not known then: if no queue gets it at its time, it is lost, after a day where queues are
    /// quorum queues.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// How long a [`call`](Self::call) waits for the result: one minute unless told otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Publishes the task and waits for how it ends. A task whose caller gives up goes on.
    ///
    /// # Errors
    /// As [`Publisher::call`].
    pub async fn call(self) -> Result<Outcome, PublishError> {
        let (publisher, timeout) = (self.publisher, self.timeout);
        publisher.call(self.delayed().await?, timeout).await
    }

    fn with(mut self, change: impl FnOnce(&mut TaskRequest) -> Result<(), PublishError>) -> Self {
        self.request = self.request.and_then(|mut request| change(&mut request).map(|()| request));
        self
    }

    /// The message, without publishing it.
    ///
    /// # Errors
    /// If the payload is no JSON, or something said of it does not fit into a message; or if it is to be delayed, which is
    /// nothing that a message can say.
    pub fn into_publication(self) -> Result<Publication, PublishError> {
        match self.delay {
            Some(_) => Err(PublishError::Delay("it is kept by who publishes the task: await or call it".to_owned())),
            None => self.publication(),
        }
    }

    /// The message, on the way that it has to take.
    async fn delayed(self) -> Result<Publication, PublishError> {
        let (publisher, delay) = (self.publisher, self.delay);
        let publication = self.publication()?;
        match delay {
            Some(delay) => delay::by_way_of_a_queue(&publisher.client, publication, delay).await,
            None => Ok(publication),
        }
    }

    fn publication(self) -> Result<Publication, PublishError> {
        let mut request = self.request?;
        if request.routing_key == Priority::Normal.default_key(&request.task_name) {
            request.routing_key = request.priority.default_key(&request.task_name);
        }
        let mut publication = Publication::of_task(&request);
        if let Some(after) = self.expiration {
            publication.properties = publication.properties.with_expiration(after.as_millis().to_string().into());
        }
        Ok(publication)
    }
}

impl<'p> IntoFuture for TaskDraft<'p> {
    type Output = Result<(), PublishError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'p>>;

    fn into_future(self) -> Self::IntoFuture {
        let publisher = self.publisher;
        Box::pin(async move { publisher.publish(self.delayed().await?).await })
    }
}
