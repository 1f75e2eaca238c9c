//! Finds the task of a message without an id: a new one, or the one whose row has the same content.

use event_driven::{message::TaskRequest, names::Attempt};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Service,
    admission::{Identity, Known, POLL},
    waiting::patiently,
};
use crate::{
    broker::Delivery,
    lifecycle::{QueryError, TakeOver, Taken},
};

impl Service {
    pub(super) async fn identify_by_content(
        &self,
        request: &TaskRequest,
        delivery: &Delivery,
        until: Instant,
    ) -> Identity {
        let (mut parked, asked) = (None, Instant::now());
        if delivery.redelivered || request.attempt > Attempt::FIRST {
            // What was under way when the message was given back is over by then, and so is the lease of who died.
            let config = &self.parts.config;
            let until = until.min(asked + config.ceiling.timeout + config.service.lease * 2);
            loop {
                match Box::pin(self.take_over_row(request, delivery)).await {
                    Some(Found::Identity(identity)) => return identity,
                    Some(Found::Busy) if Instant::now() < until && !delivery.is_void() => {
                        parked.get_or_insert_with(|| self.load.park());
                        // Another process may write the row: there is no event to wait for.
                        tokio::time::sleep(POLL).await;
                    }
                    Some(Found::Busy) | None => break,
                }
            }
        }
        let claim = self.in_flight.claim(Uuid::now_v7()).await;
        Identity::Task(Known { claim, state: None, taken_over: false, waited: parked.is_some(), asked: Some(asked) })
    }

    async fn take_over_row(&self, request: &TaskRequest, delivery: &Delivery) -> Option<Found> {
        // One at a time: between the look at what is in flight and the claim, no other may choose the same row.
        let _one_at_a_time = self.taking_over.lock().await;
        let taken = patiently(|| self.ask_to_take_over(request, delivery.redelivered)).await;
        Some(match taken? {
            Taken::Row(id) => {
                let claim = self.in_flight.claim(id).await;
                let asked = Instant::now();
                // As it was taken over, and whether it is to be cancelled.
                let state = patiently(|| self.parts.lookups.state(id)).await;
                Found::Identity(Identity::Task(Known {
                    claim,
                    state,
                    taken_over: true,
                    waited: false,
                    asked: Some(asked),
                }))
            }
            Taken::Failed(id, error) => Found::Identity(Identity::Failed(id, error)),
            Taken::Busy => Found::Busy,
        })
    }

    async fn ask_to_take_over(&self, request: &TaskRequest, redelivered: bool) -> Result<Option<Taken>, QueryError> {
        let in_flight = self.in_flight.ids();
        let message = TakeOver {
            producer_app: request.producer_app.as_str(),
            correlation_id: request.correlation_id.as_str(),
            task_name: request.task_name.as_str(),
            payload: Some(request.payload.as_str()),
            attempt: request.attempt.number(),
            redelivered,
            exclude: &in_flight,
            runtime_id: &self.runtime_id,
            may_judge: self.parts.heartbeat.may_judge(),
            at: self.parts.database.clock().now(),
        };
        match self.parts.database.take_over(&message).await {
            // A content that can't be compared is not stored either.
            Err(QueryError::Refused(error)) => {
                tracing::debug!(%error, "no row can be taken over: {error}");
                Ok(None)
            }
            taken => taken,
        }
    }
}

/// What a look at the rows gave.
enum Found {
    Identity(Identity),
    /// One of the same content is being worked on.
    Busy,
}
