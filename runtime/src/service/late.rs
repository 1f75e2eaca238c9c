//! Asks where a task stands only when its row is written, where it costs less to execute it than to ask.
//!
//! As a rule a task with an id is looked up before it is executed (invariant 2). But an execution that is expected to be brief, of a
//! component that can do nothing but compute, changes nothing outside itself: executed twice, a task is none the worse as long as
//! one result is stored. So it is executed first, and its row is stored only if there is none. If there is one, it is asked
//! after all: what the execution came to is stored if the task was merely accepted before, and otherwise it was none, and the
//! message goes its way from the beginning.
//!
//! That is for messages that come for the first time, as all do as a rule. What is no result, or not there at once after all, is
//! asked before anything is said of it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use event_driven::names::Attempt;

use super::{Service, attempt::is_brief, load::Held, recording::Concluded, together::Arrived};
use crate::{
    broker::{Broker, Delivery},
    components::Found,
};

/// So many tasks are looked up first after one had a row: more may have, and to execute, be refused and ask costs more than to ask.
const DOUBTED: u32 = 10_000;

/// Whether tasks that are delivered for the first time have had rows of late.
#[derive(Debug, Default)]
pub(super) struct Doubts(AtomicU32);

impl Doubts {
    /// One had a row.
    pub(super) fn begin(&self) {
        self.0.store(DOUBTED, Relaxed);
    }

    /// Whether there is none; there is less with each question.
    fn are_none(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err()
    }
}

impl Service {
    /// Whether the task may be executed before it is asked where it stands.
    pub(super) fn may_ask_late(&self, arrived: &Arrived) -> bool {
        let Ok(request) = &arrived.decoded else { return false };
        let comes_first = request.attempt == Attempt::FIRST && !arrived.delivery.redelivered;
        // What this process itself has accepted has a row.
        let may_be_new = comes_first && !matches!(self.parts.broker, Broker::InProcess(_));
        let is_brief = || match self.parts.components.ready(&request.task_name) {
            Some(Found::Ready(component)) => is_brief(&component, request),
            _ => false,
        };
        may_be_new && is_brief() && self.doubts.are_none()
    }

    /// Its row was not stored: there is one, or the database does not take it as it is.
    pub(super) fn ask_late(self: &Arc<Self>, concluded: Concluded, delivery: Delivery, held: Held) {
        tracing::debug!(task.id = %concluded.task.row.id, "the row is not stored: it is asked where the task stands");
        self.deliveries.spawn(Box::pin(self.clone().conclude_late(concluded, delivery, held)));
    }

    async fn conclude_late(self: Arc<Self>, mut concluded: Concluded, delivery: Delivery, held: Held) {
        if self.still_stands(&mut concluded.task).await {
            return self.settle_once_recorded(concluded, delivery, held).await;
        }
        // Its claim is given up first, or it would be waited for.
        let (request, until) = concluded.task.given_up();
        let mut arrival = self.arrival();
        arrival.until = until;
        let again = Arrived { delivery, held, arrival, decoded: Ok(request), ahead: None };
        self.go_on_with_tasks(vec![again].into_iter());
    }
}
