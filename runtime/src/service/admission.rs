//! Decides whether a request is executed, and as which task (invariant 2).
//!
//! A message with an id is the task of its producer and that id: if that task is COMPLETED, the message is done. One
//! without an id is a task of its own, unless it was delivered before or comes back for a retry: then it takes over the
//! unfinished row of the same content.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use event_driven::message::TaskRequest;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Service,
    course::{Coming, Course, course},
    in_flight::Claim,
    rows,
    standing::novelty,
    waiting::patiently,
};
use crate::{
    broker::{Delivery, Settlement},
    lifecycle::{KnownTask, Novelty, TaskRow, TaskStatus, id_of_message},
    outcome::Failure,
};

/// A task that is to be executed, and the right to do so.
pub(super) struct Task {
    /// What was asked for.
    pub(super) request: TaskRequest,
    /// Its row: as it is before the attempt, then with what is known of that. Shared only with who records it.
    pub(super) row: Arc<TaskRow>,
    /// Whether nothing is different if it is given back and delivered once more, as long as it was not begun. One of a
    /// failed task, which was published again, would be taken for a copy.
    pub(super) may_go_back: bool,
    /// Whether the row was there before, and belongs to this message only because it was taken over.
    pub(super) taken_over: bool,
    /// Whether its row says that it is being worked on, by a runtime that is gone.
    was_running: bool,
    /// How its message came.
    pub(super) coming: Coming,
    /// When it was asked where the task stands: that may have changed since. `None`: nobody has asked.
    pub(super) asked: Option<Instant>,
    /// Until when it has to have begun, see [`Config::longest_wait`](crate::config::Config::longest_wait).
    pub(super) until: Instant,
    /// While this is held, no other delivery of the same task goes on in this runtime.
    _claim: Claim,
}

impl Task {
    /// What is left when the right to execute it is given up.
    pub(super) fn given_up(self) -> (TaskRequest, Instant) {
        (self.request, self.until)
    }
}

/// What becomes of a request.
pub(super) enum Admission {
    /// It is executed.
    Execute(Box<Task>),
    /// It needs no execution; this becomes of its message.
    Settle(Settlement),
    /// Nothing is to be done with it: the stop came before the database could tell, the connection that it came by is gone
    /// and the broker delivers it again, or it has waited for too long.
    Drop,
}

/// What the message is known to be about.
pub(super) enum Identity {
    /// This task.
    Task(Known),
    /// A task whose attempt was made and failed with this error.
    Failed(Uuid, String),
}

/// A task, and what is known of it.
pub(super) struct Known {
    pub(super) claim: Claim,
    /// Where it stands, if it has a row.
    pub(super) state: Option<KnownTask>,
    /// Whether the row was taken over just now.
    pub(super) taken_over: bool,
    /// Whether it was waited for.
    pub(super) waited: bool,
    /// When its state was asked for. `None`: it is asked later, see [`late`](super::late).
    pub(super) asked: Option<Instant>,
}

impl Known {
    /// What is known of a task that was claimed at once.
    pub(super) fn ahead(claim: Claim, state: Option<KnownTask>, asked: Option<Instant>) -> Self {
        Self { claim, state, taken_over: false, waited: false, asked }
    }
}

/// How a message came, and how long it may wait.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    /// When, by the database's clock.
    at: DateTime<Utc>,
    pub(super) until: Instant,
    /// Whether another delivery of its task was under way then.
    pub(super) behind_another: bool,
}

/// The pause between two looks at a task that another runtime works on.
pub(super) const POLL: Duration = Duration::from_millis(500);

impl Service {
    /// How a message comes that was delivered just now.
    pub(super) fn arrival(&self) -> Arrival {
        Arrival {
            at: self.parts.database.clock().now(),
            until: Instant::now() + self.parts.config.longest_wait(),
            behind_another: false,
        }
    }

    pub(super) async fn admit(
        &self,
        request: TaskRequest,
        arrival: Arrival,
        ahead: Option<Known>,
        delivery: &Delivery,
    ) -> Admission {
        let Arrival { at, until, behind_another } = arrival;
        let Some(identity) = self.in_time(self.identify(&request, ahead, delivery, until), delivery).await else {
            return Admission::Drop;
        };
        let known = match identity {
            Identity::Task(known) => known,
            Identity::Failed(id, error) => return Box::pin(self.go_on(&request, id, error)).await,
        };
        let coming = Coming {
            attempt: request.attempt,
            redelivered: delivery.redelivered,
            at,
            waited: behind_another || known.waited || known.claim.waited(),
        };
        let id = known.claim.id();
        let course = match &known.state {
            Some(state) => course(state, coming, self.is_elsewhere(state)),
            None => Course::Execute(request.attempt),
        };
        match course {
            Course::Execute(attempt) => {
                let has_failed = known.state.as_ref().is_some_and(|state| state.status == TaskStatus::Failed);
                if has_failed && Box::pin(self.take_back_cancel(id, delivery)).await.is_none() {
                    return Admission::Drop;
                }
                let task = self.task(TaskRequest { attempt, ..request }, known, coming, until);
                self.execute(task, delivery)
            }
            _ if delivery.is_void() => Admission::Drop,
            Course::Over => {
                let completed = known.state.is_some_and(|state| state.status == TaskStatus::Completed);
                Box::pin(self.settle_again(&request, id, completed, delivery)).await
            }
            Course::Retry(error) => Box::pin(self.go_on(&request, id, error)).await,
            Course::Surplus => {
                let is_over = known.state.is_some_and(|state| state.status.is_final());
                Box::pin(self.surplus(&request, id, is_over, delivery)).await
            }
            Course::Cancel => {
                let row = rows::cancelled(id, &request, &Failure::cancelled(), self.parts.database.clock().now());
                let settlement = Box::pin(self.commit(&request, row, Settlement::Ack)).await;
                settlement.map_or(Admission::Drop, Admission::Settle)
            }
            // It has waited for that as long as it could.
            Course::Wait => Admission::Drop,
        }
    }

    /// Who wanted a task cancelled that has failed since meant that one, and not its next execution.
    async fn take_back_cancel(&self, id: Uuid, delivery: &Delivery) -> Option<()> {
        self.in_time(patiently(|| self.parts.database.take_back_cancel(id)), delivery).await
    }

    /// What is not begun after all, and has a row that only this message was to have, is there for the next one.
    pub(super) fn let_go(&self, task: &Task) {
        if task.taken_over {
            self.parts.recorder.announce(TaskRow::clone(&task.row));
        }
    }

    fn task(&self, request: TaskRequest, known: Known, coming: Coming, until: Instant) -> Task {
        let Known { claim, state, taken_over, asked, .. } = known;
        let status = state.map(|state| state.status);
        let mut row = rows::accepted(claim.id(), &request, self.parts.database.clock().now());
        row.novelty = match asked {
            Some(_) => novelty(status.is_some() || taken_over),
            None => Novelty::Required,
        };
        let (may_go_back, was_running) = (status != Some(TaskStatus::Failed), status == Some(TaskStatus::Running));
        let row = Arc::new(row);
        Task { request, row, may_go_back, taken_over, was_running, coming, asked, until, _claim: claim }
    }

    fn execute(&self, task: Task, delivery: &Delivery) -> Admission {
        if delivery.is_void() {
            self.let_go(&task);
            return Admission::Drop;
        }
        if task.was_running {
            // What a runtime that is gone has left there is so no more.
            tracing::info!(task.id = %task.row.id, "the task was cut off with its runtime; it is attempted again");
            self.parts.recorder.announce(TaskRow::clone(&task.row));
        }
        Admission::Execute(Box::new(task))
    }

    /// The attempt was made already: the message goes on to the next one, if there is to be one.
    async fn go_on(&self, request: &TaskRequest, id: Uuid, error: String) -> Admission {
        tracing::debug!(task.id = %id, delivery.attempt = request.attempt.number(), "this attempt was made already");
        if request.attempt.number() < self.parts.config.retry.retries {
            return Admission::Settle(Settlement::Retry { attempt: request.attempt.next(), error });
        }
        let row = rows::exhausted(id, request, &error, self.parts.database.clock().now());
        let settlement = self.commit(request, row, Settlement::DeadLetter { error }).await;
        settlement.map_or(Admission::Drop, Admission::Settle)
    }

    /// Which task this is, and where it stands if it is known. Waits while another runtime is at it.
    async fn identify(
        &self,
        request: &TaskRequest,
        ahead: Option<Known>,
        delivery: &Delivery,
        until: Instant,
    ) -> Identity {
        let Some(message_id) = &request.message_id else {
            return self.identify_by_content(request, delivery, until).await;
        };
        let (claim, mut known) = match ahead {
            Some(known) if known.asked.is_none() => return Identity::Task(known),
            Some(Known { claim, state, asked, .. }) => (claim, asked.map(|asked| (asked, state))),
            None => (self.claim(id_of_message(&request.producer_app, message_id)).await, None),
        };
        let (id, mut parked) = (claim.id(), None);
        loop {
            let (asked, state) = match known.take() {
                Some(known) => known,
                None => (Instant::now(), patiently(|| self.parts.lookups.state(id)).await),
            };
            let elsewhere = state.as_ref().is_some_and(|state| self.is_elsewhere(state));
            if !elsewhere || delivery.is_void() || Instant::now() >= until {
                return Identity::Task(Known {
                    claim,
                    state,
                    taken_over: false,
                    waited: parked.is_some(),
                    asked: Some(asked),
                });
            }
            parked.get_or_insert_with(|| self.load.park());
            // Another process writes the row: there is no event to wait for.
            tokio::time::sleep(POLL).await;
        }
    }

    async fn claim(&self, id: Uuid) -> Claim {
        if let Some(claim) = self.in_flight.try_claim(id) {
            return claim;
        }
        let _parked = self.load.park();
        self.in_flight.claim(id).await
    }

    /// Whether a runtime that is not known to be gone works on the task.
    pub(super) fn is_elsewhere(&self, known: &KnownTask) -> bool {
        known.runs_in.as_ref().is_some_and(|runs_in| {
            *runs_in.runtime_id != *self.runtime_id && (runs_in.alive || !self.parts.heartbeat.may_judge())
        })
    }
}
