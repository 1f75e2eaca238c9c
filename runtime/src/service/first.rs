//! What comes before everything else, where a message asks for it: to be the only one of its kind, to wait for its time, to
//! stand in the queue of its class. Between the decoded request and admission.

use event_driven::{
    message::{Start, TaskRequest, UniqueFor, moved_properties},
    names::{Attempt, Priority},
};
use sha2::{Digest, Sha256};

use super::{Service, rows, submit::new_id, waiting::patiently};
use crate::{
    broker::{Delivery, Publish, PublishError, Queue, Settlement, Target},
    outcome::{ErrorClass, Failure},
};

/// What becomes of a request before it is admitted.
pub(super) enum First {
    /// It goes on to be executed.
    GoOn(TaskRequest),
    /// It is not executed now; this becomes of its message.
    Settle(Settlement),
    /// Nothing is known to be committed.
    Drop,
}

impl Service {
    pub(super) async fn first(&self, mut request: TaskRequest, delivery: &Delivery) -> First {
        match delivery.queue {
            Queue::HighTasks => request.priority = Priority::High,
            Queue::LowTasks => request.priority = Priority::Low,
            Queue::Tasks | Queue::EventStore => {}
        }
        // A retry has had its answers.
        if request.attempt > Attempt::FIRST {
            return First::GoOn(request);
        }
        if let Some(time) = request.unique_for {
            match self.be_the_only_one(request, time, delivery).await {
                First::GoOn(only) => request = only,
                other => return other,
            }
        }
        if request.start != Start::AtOnce {
            match self.postpone(request, delivery).await {
                First::GoOn(due) => request = due,
                other => return other,
            }
        }
        match delivery.queue == Queue::Tasks && request.priority != Priority::Normal {
            true => self.move_on(request, delivery).await,
            false => First::GoOn(request),
        }
    }

    /// Only the first of a kind goes on until its time is over. Another one is CANCELLED.
    async fn be_the_only_one(&self, request: TaskRequest, time: UniqueFor, delivery: &Delivery) -> First {
        let kind = kind_of(&request);
        let message_id = request.message_id.clone().unwrap_or_else(new_id);
        let id = rows::id_of_message(&request.producer_app, &message_id);
        if request.message_id.is_some() {
            let state = self.in_time(patiently(|| self.parts.lookups.state(id)), delivery).await;
            let Some(state) = state else { return First::Drop };
            // It had its answer then.
            if state.is_some_and(|known| known.status.is_final()) {
                return First::GoOn(request);
            }
        }
        let until = self.parts.database.clock().now() + time.time();
        let claim = patiently(|| self.parts.database.claim_kind(&kind, id, message_id.as_str(), until));
        let Some(holder) = self.in_time(claim, delivery).await else { return First::Drop };
        if holder.id_task == id {
            return First::GoOn(TaskRequest { message_id: Some(message_id), ..request });
        }
        // One without an id that was delivered before may be that one itself: if it is not, it is one of its kind all the same.
        if request.message_id.is_none()
            && delivery.redelivered
            && let Ok(message_id) = holder.message_id.parse()
        {
            return First::GoOn(TaskRequest { message_id: Some(message_id), ..request });
        }
        let request = TaskRequest { message_id: Some(message_id), ..request };
        let told = format!("task {} asks for the same, and is the only one until {}", holder.id_task, holder.until);
        let failure = Failure::new(ErrorClass::Duplicate, told);
        tracing::debug!(task.id = %id, "{failure}");
        let row = rows::cancelled(id, &request, &failure, self.parts.database.clock().now());
        self.commit(&request, row, Settlement::Ack).await.map_or(First::Drop, First::Settle)
    }

    /// From the queue of all tasks to that of its class. It is executed where it is if that does not take it.
    async fn move_on(&self, request: TaskRequest, delivery: &Delivery) -> First {
        let mut properties = moved_properties(&delivery.properties, &delivery.routing_key);
        if let Some(message_id) = &request.message_id {
            properties = properties.with_message_id(message_id.to_short_string());
        }
        let publish = Publish { target: Target::Class(request.priority), properties, body: delivery.body.clone() };
        match self.in_time(self.parts.broker.publish(publish), delivery).await {
            Some(Ok(())) => First::Settle(Settlement::Ack),
            // It is delivered again on the next connection.
            None | Some(Err(PublishError::Disconnected(_) | PublishError::TimedOut(_))) => First::Drop,
            Some(Err(error)) => {
                tracing::warn!(%error, class = %request.priority, "a task can't go to the queue of its class: {error}");
                First::GoOn(request)
            }
        }
    }
}

/// What is the same for tasks of one kind: producer, name and payload, whatever the order of the payload's members.
fn kind_of(request: &TaskRequest) -> String {
    let payload = match serde_json::from_str::<serde_json::Value>(request.payload.as_str()) {
        Ok(mut payload) => {
            payload.sort_all_objects();
            payload.to_string()
        }
        // It was checked: a number that no value can hold is what is left.
        Err(_) => request.payload.as_str().to_owned(),
    };
    let mut hash = Sha256::new();
    for part in [request.producer_app.as_str(), request.task_name.as_str(), &payload] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
