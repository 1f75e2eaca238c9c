//! Tasks that are to be executed later: their messages are put into the database, and published when their time has come.
//!
//! In a table and not in queues with a time to live: a queue can't be looked into or cancelled from, and a task that waits in
//! one behind a longer delay comes too late. All runtimes publish what is due; the database sees to it that each has its own.
//! Ticks of schedules become such messages first, in the same loop.

use std::{collections::VecDeque, sync::Weak, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use event_driven::{
    message::{Start, TaskRequest},
    names::{Attempt, Priority},
};
use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{
    Service, rows,
    submit::{new_id, publish_task},
    waiting::patiently,
    wishes::Granted,
};
use crate::{
    broker::{Delivery, PublishError, Settlement},
    lifecycle::{Claim, DelayedTask, QueryError, TaskStatus, id_of_message},
};

/// How often it is looked for what other processes have put in.
const LOOK: Duration = Duration::from_secs(1);

/// The pause after something went wrong.
const PAUSE: Duration = Duration::from_millis(500);

/// The pause after a look that has found nothing, though something is due: another runtime is at it.
const BREATH: Duration = Duration::from_millis(20);

/// Bytes of payloads that are in memory at once to be published.
const AT_ONCE: u64 = 4 * 1024 * 1024;

/// How long the database may take for one step.
const PATIENCE: Duration = Duration::from_secs(10);

impl Service {
    /// Puts a request by whose time has not come.
    pub(super) async fn postpone(&self, request: TaskRequest, delivery: &Delivery) -> Granted {
        let Some(due_at) = self.due_at(&request) else { return Granted::GoOn(request) };
        // It has to be found again when it is published: by an id.
        let message_id = request.message_id.clone().unwrap_or_else(new_id);
        let id = id_of_message(&request.producer_app, &message_id);
        let request = TaskRequest { message_id: Some(message_id), start: Start::AtOnce, ..request };
        let known = self.in_time(patiently(|| self.parts.lookups.state(id)), delivery).await;
        let Some(known) = known else { return Granted::Drop };
        let to_be_reopened = match known.map(|known| known.status) {
            None | Some(TaskStatus::Pending) => false,
            Some(TaskStatus::Failed) if !delivery.redelivered => true,
            Some(_) => return Granted::GoOn(request),
        };
        let put_by = self.in_time(patiently(|| self.put_by(id, &request, due_at, to_be_reopened)), delivery).await;
        match put_by {
            Some(Ok(())) => {
                tracing::debug!(task.id = %id, "the task waits until {due_at}");
                Granted::Settle(Settlement::Ack)
            }
            Some(Err(reason)) => {
                let row = rows::accepted(id, &request, self.parts.database.clock().now());
                self.bury_unstorable(Some(&request), row.into(), &reason).await.map_or(Granted::Drop, Granted::Settle)
            }
            None => Granted::Drop,
        }
    }

    /// When the request is to be executed; `None`: now.
    pub(super) fn due_at(&self, request: &TaskRequest) -> Option<DateTime<Utc>> {
        let now = self.parts.database.clock().now();
        let due_at = match request.start {
            Start::AtOnce => return None,
            Start::After(delay) => now + TimeDelta::from_std(delay).unwrap_or_default(),
            Start::At(at) => at,
        };
        (due_at > now).then_some(due_at)
    }

    /// Commits the row and the message. The inner error: what the database refuses of them.
    pub(super) async fn put_by(
        &self,
        id: Uuid,
        request: &TaskRequest,
        due_at: DateTime<Utc>,
        to_be_reopened: bool,
    ) -> Result<Result<(), String>, QueryError> {
        if to_be_reopened {
            self.parts.database.reopen(id).await?;
        }
        let row = rows::accepted(id, request, self.parts.database.clock().now());
        let put_by = self.parts.database.delay(row, message(id, request, due_at)).await;
        self.delayed_arrived.notify_one();
        match put_by {
            Err(QueryError::Refused(error)) => Ok(Err(error.to_string())),
            put_by => put_by.map(Ok),
        }
    }

    /// Publishes what is due until a stop. A panic ends the service: what waits for its time would wait for ever.
    pub(super) async fn keep_publishing_delayed(service: Weak<Self>) {
        let publishing = AbortOnDropHandle::new(tokio::spawn(Self::publish_delayed(service.clone())));
        if let (Err(error), Some(service)) = (publishing.await, service.upgrade()) {
            tracing::error!(%error, "what is due can't be published any more: {error}; stopping");
            service.broken.cancel();
        }
    }

    async fn publish_delayed(service: Weak<Self>) {
        let mut is_told = false;
        while let Some(service) = service.upgrade().filter(|service| !service.is_stopping()) {
            let pause = match service.look_for_due().await {
                Ok(more) => {
                    if std::mem::take(&mut is_told) {
                        tracing::info!("what is due is published again");
                    }
                    if more {
                        continue;
                    }
                    service.until_next().await
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(error, "what is due can't be published, nor ticks made; trying on: {error}");
                    }
                    PAUSE
                }
            };
            let _told_or_time = timeout(pause, service.delayed_arrived.notified()).await;
        }
    }

    /// Makes ticks and publishes what is due, some of each. Gives whether there may be more.
    async fn look_for_due(&self) -> Result<bool, String> {
        let ticks = self.make_ticks().await;
        // Whatever became of them: it waits for its time, too.
        let published = self.publish_due().await;
        Ok(ticks? | published?)
    }

    /// Publishes some of what is due. Gives whether there may be more.
    async fn publish_due(&self) -> Result<bool, String> {
        let claim = answered(self.parts.database.claim_due()).await?;
        let mut left: VecDeque<(Uuid, u64)> = claim.due.iter().copied().collect();
        let mut published = Ok(());
        while published.is_ok() && !left.is_empty() && !self.is_stopping() {
            if claim.is_old(self.parts.database.clock().now()) {
                break;
            }
            let some = take_some(&mut left);
            published = self.publish_some(&claim, &some).await;
        }
        let left: Vec<_> = left.into_iter().map(|(id, _)| id).collect();
        if !left.is_empty() {
            answered(self.parts.database.give_up_claims(&claim, &left)).await?;
        }
        published.map(|()| claim.is_full())
    }

    /// Publishes these. An error: the broker is away.
    async fn publish_some(&self, claim: &Claim, ids: &[Uuid]) -> Result<(), String> {
        let database = &self.parts.database;
        let (messages, states) = (answered(database.delayed(ids)).await?, answered(database.states_of(ids)).await?);
        // One that was published before its runtime died, and came to its end. A cancelled one may owe somebody an answer.
        let is_over = |message: &DelayedTask| {
            let status = states.get(&message.id_task).map(|known| known.status);
            matches!(status, Some(TaskStatus::Completed | TaskStatus::Failed))
        };
        let (over, to_publish): (Vec<_>, Vec<_>) = messages.iter().partition(|message| is_over(message));
        let published = join_all(to_publish.iter().map(|message| self.publish_one(message))).await;
        let mut done: Vec<Uuid> = over.iter().map(|message| message.id_task).collect();
        let (mut away, mut refused) = (Vec::new(), None);
        for (message, published) in to_publish.iter().zip(published) {
            match published {
                Ok(()) => done.push(message.id_task),
                Err(PublishError::Disconnected(reason)) => away.push((message.id_task, reason)),
                // It is tried again when its claim has run out, and holds up nobody until then.
                Err(error) => refused = Some((message.id_task, error)),
            }
        }
        answered(database.forget_delayed(claim, &done)).await?;
        if let Some((id, error)) = refused {
            tracing::warn!(task.id = %id, "the broker refuses a task that is due; it is tried again in a minute: {error}");
        }
        let Some((_, reason)) = away.first() else { return Ok(()) };
        let reason = reason.clone();
        let away: Vec<_> = away.into_iter().map(|(id, _)| id).collect();
        answered(database.give_up_claims(claim, &away)).await?;
        Err(reason)
    }

    async fn publish_one(&self, message: &DelayedTask) -> Result<(), PublishError> {
        let Some(request) = request_of(message) else {
            // Only a hand in the table makes it so. The task's row stays, and is listed as stuck.
            tracing::error!(task.id = %message.id_task, "the delayed message of a task can't be read: it is given up");
            return Ok(());
        };
        self.parts.broker.publish(publish_task(&request)).await
    }

    async fn until_next(&self) -> Duration {
        let database = &self.parts.database;
        let next = [answered(database.next_due()).await, answered(database.next_tick()).await];
        let Some(next) = next.into_iter().flatten().flatten().min() else { return LOOK };
        (next - database.clock().now()).to_std().unwrap_or_default().clamp(BREATH, LOOK)
    }
}

/// As many as may be in memory at once, and at least one.
fn take_some(left: &mut VecDeque<(Uuid, u64)>) -> Vec<Uuid> {
    let (mut some, mut sum) = (Vec::new(), 0);
    while let Some((id, bytes)) = left.pop_front_if(|(_, bytes)| some.is_empty() || sum + *bytes <= AT_ONCE) {
        some.push(id);
        sum += bytes;
    }
    some
}

pub(super) async fn answered<T>(asked: impl Future<Output = Result<T, QueryError>>) -> Result<T, String> {
    match timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("the database has not answered within {PATIENCE:?}")),
    }
}

fn message(id: Uuid, request: &TaskRequest, due_at: DateTime<Utc>) -> DelayedTask {
    DelayedTask {
        id_task: id,
        due_at,
        claimed_until: None,
        routing_key: request.routing_key.clone(),
        task_name: request.task_name.to_string(),
        payload: request.payload.as_str().to_owned(),
        producer_app: request.producer_app.to_string(),
        correlation_id: request.correlation_id.to_string(),
        message_id: request.message_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        reply_to: request.reply_to.as_ref().map(ToString::to_string),
        traceparent: request.traceparent.clone(),
        tracestate: request.tracestate.clone(),
        priority: (request.priority != Priority::Normal).then(|| request.priority.to_string()),
    }
}

fn request_of(message: &DelayedTask) -> Option<TaskRequest> {
    Some(TaskRequest {
        routing_key: message.routing_key.clone(),
        task_name: message.task_name.parse().ok()?,
        payload: message.payload.parse().ok()?,
        producer_app: message.producer_app.parse().ok()?,
        correlation_id: message.correlation_id.parse().ok()?,
        message_id: Some(message.message_id.parse().ok()?),
        reply_to: message.reply_to.as_deref().map(str::parse).transpose().ok()?,
        attempt: Attempt::FIRST,
        start: Start::AtOnce,
        // The queue of all is as good as any for what a hand in the table has written.
        priority: message.priority.as_deref().and_then(|priority| priority.parse().ok()).unwrap_or_default(),
        unique_for: None,
        traceparent: message.traceparent.clone(),
        tracestate: message.tracestate.clone(),
    })
}
