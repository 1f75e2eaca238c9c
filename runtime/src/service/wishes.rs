//! What a message may wish for, granted before everything else: to be the only one of its kind, to wait for its time, to stand
//! in the queue of its class. Between the decoded request and admission.

use event_driven::{
    message::{ShortText, Start, TaskRequest, UniqueFor, moved_properties},
    names::{Attempt, Priority},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Service, rows, submit::new_id, waiting::patiently};
use crate::{
    broker::{Delivery, Queue, Settlement},
    lifecycle::{Kind, KnownTask, QueryError, TaskRow, TaskStatus, id_of_message},
    outcome::{ErrorClass, Failure},
};

/// What becomes of a request that has its wishes granted.
pub(super) enum Granted {
    /// It goes on to be executed.
    GoOn(TaskRequest),
    /// It is not executed now; this becomes of its message.
    Settle(Settlement),
    /// Nothing is known to be committed.
    Drop,
}

/// Whether there is something to be granted first, so that nothing need be known of the task yet.
pub(super) fn has_wishes(request: &TaskRequest, delivery: &Delivery) -> bool {
    let wishes = request.unique_for.is_some() || request.start != Start::AtOnce || is_elsewhere(request, delivery);
    request.attempt == Attempt::FIRST && wishes
}

/// Whether it came by another queue than that of its class.
fn is_elsewhere(request: &TaskRequest, delivery: &Delivery) -> bool {
    delivery.queue == Queue::Tasks && request.priority != Priority::Normal
}

impl Service {
    pub(super) async fn grant_wishes(&self, mut request: TaskRequest, delivery: &Delivery) -> Granted {
        match delivery.queue {
            Queue::HighTasks => request.priority = Priority::High,
            Queue::LowTasks => request.priority = Priority::Low,
            Queue::Tasks | Queue::EventStore => {}
        }
        // A retry has had its wishes granted.
        if request.attempt > Attempt::FIRST {
            return Granted::GoOn(request);
        }
        let had_id = request.message_id.is_some();
        if let Some(time) = request.unique_for {
            match Box::pin(self.be_the_only_one(request, time, delivery)).await {
                Granted::GoOn(only) => request = only,
                other => return other,
            }
        }
        if request.start != Start::AtOnce {
            match Box::pin(self.postpone(request, delivery)).await {
                Granted::GoOn(due) => request = due,
                other => return other,
            }
        }
        // What was given an id goes on with it in its message: a retry has to be known by it. One without an id that was
        // delivered before may have a row already, which a copy could not take over.
        let was_given_id = !had_id && request.message_id.is_some();
        match was_given_id || (is_elsewhere(&request, delivery) && (had_id || !delivery.redelivered)) {
            true => Box::pin(self.move_on(request, delivery)).await,
            false => Granted::GoOn(request),
        }
    }

    /// Only the first of a kind goes on until its time is over. Another one is CANCELLED.
    async fn be_the_only_one(&self, request: TaskRequest, time: UniqueFor, delivery: &Delivery) -> Granted {
        let is_made_up = request.message_id.is_none();
        let message_id = request.message_id.clone().unwrap_or_else(new_id);
        let request = TaskRequest { unique_for: None, ..request };
        let id = id_of_message(&request.producer_app, &message_id);
        if !is_made_up {
            let state = self.in_time(patiently(|| self.parts.lookups.state(id)), delivery).await;
            let Some(state) = state else { return Granted::Drop };
            if !is_untouched(state.as_ref()) {
                return Granted::GoOn(request);
            }
        }
        let claim = patiently(|| self.claim_kind(&request, id, &message_id, is_made_up, time));
        let Some(holder) = self.in_time(claim, delivery).await else { return Granted::Drop };
        if holder.id_task == id {
            return Granted::GoOn(TaskRequest { message_id: Some(message_id), ..request });
        }
        // One without an id that was delivered before may be that very one, whose runtime died before its copy was published.
        if is_made_up && delivery.redelivered && holder.is_made_up {
            let of_holder = self.in_time(patiently(|| self.parts.lookups.state(holder.id_task)), delivery).await;
            let Some(state) = of_holder else { return Granted::Drop };
            if is_untouched(state.as_ref())
                && let Ok(message_id) = holder.message_id.parse()
            {
                return Granted::GoOn(TaskRequest { message_id: Some(message_id), ..request });
            }
        }
        let request = TaskRequest { message_id: Some(message_id), ..request };
        let row = self.duplicate(id, &request, &holder);
        self.commit(&request, row, Settlement::Ack).await.map_or(Granted::Drop, Granted::Settle)
    }

    /// Makes the task the only one of its kind, unless there is one; gives the one that it is.
    pub(super) async fn claim_kind(
        &self,
        request: &TaskRequest,
        id: Uuid,
        message_id: &ShortText,
        is_made_up: bool,
        time: UniqueFor,
    ) -> Result<Kind, QueryError> {
        let kind = Kind {
            kind: kind_of(request),
            id_task: id,
            message_id: message_id.to_string(),
            is_made_up,
            until: self.parts.database.clock().now() + time.time(),
        };
        self.parts.database.claim_kind(kind).await
    }

    /// The row of a task that is not executed, since another one is the only one of its kind.
    pub(super) fn duplicate(&self, id: Uuid, request: &TaskRequest, holder: &Kind) -> TaskRow {
        let told = format!("task {} asks for the same, and is the only one until {}", holder.id_task, holder.until);
        let failure = Failure::new(ErrorClass::Duplicate, told);
        tracing::debug!(task.id = %id, "{failure}");
        rows::cancelled(id, request, &failure, self.parts.database.clock().now())
    }

    /// To the queue of its class, as often as it takes. It is executed where it is if there is no such queue.
    async fn move_on(&self, request: TaskRequest, delivery: &Delivery) -> Granted {
        let mut properties = moved_properties(&delivery.properties, &delivery.routing_key);
        if let Some(message_id) = &request.message_id {
            properties = properties.with_message_id(message_id.to_short_string());
        }
        match self.copy_to_class(request.priority, properties, delivery).await {
            Some(Ok(())) => Granted::Settle(Settlement::Ack),
            None => Granted::Drop,
            Some(Err(error)) => {
                tracing::warn!(%error, class = %request.priority, "a task can't go to the queue of its class: {error}");
                Granted::GoOn(request)
            }
        }
    }
}

/// Whether nothing has been done for a task yet.
pub(super) fn is_untouched(state: Option<&KnownTask>) -> bool {
    state.is_none_or(|known| known.status == TaskStatus::Pending && known.attempt == 0 && known.error.is_none())
}

/// What is the same for tasks of one kind: producer, name and payload. The payload's text as it was published: to compare values
/// would take a tree of it, which may be large, and has no place for every number.
fn kind_of(request: &TaskRequest) -> String {
    let mut hash = Sha256::new();
    for part in [request.producer_app.as_str(), request.task_name.as_str(), request.payload.as_str()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
