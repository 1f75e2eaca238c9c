//! The beginning of a task's way: those that came together are decoded, and looked up with one question, then each goes its own way.
//!
//! They begin one after the other, in the same memory, and most of those that are brief end before they have to wait for anything. One that
//! has to wait keeps the task of tokio's that all had, and the others go on in another one: none waits for another's execution.

use std::{
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
    vec,
};

use event_driven::message::{Malformed, TaskRequest};
use futures_util::{FutureExt, poll};
use tokio::{
    task::coop::unconstrained,
    time::{Instant, timeout},
};
use uuid::Uuid;

use super::{
    Service,
    admission::{Arrival, Known},
    in_flight::Claim,
    load::Held,
    wishes::has_wishes,
};
use crate::{
    broker::{Deliveries, Delivery},
    lifecycle::id_of_message,
};

/// So many deliveries are taken at once, as far as they are there. What was delivered first should not be done last: with twice as many,
/// twice as much is done on one thread while what came before waits on another.
const AT_ONCE: usize = 32;

/// For so long tasks are begun before others have their turn.
const TURN: Duration = Duration::from_millis(1);

/// A larger one goes its way alone, from the beginning: to decode it takes about as long as others take altogether.
const LARGE: usize = 8 << 10;

/// For so long it is waited for where tasks stand that came together. Then each asks for itself: some may not be waited for any more.
const LOOK: Duration = Duration::from_millis(500);

/// What the future of tasks' deliveries may take, in bytes. There are as many as the prefetch allows, each is allocated, and
/// it is as large as the largest of its branches: what is rare has a box of its own.
const LARGEST_WAY: usize = 16 << 10;

/// A task's delivery, and what is known before it goes its own way.
pub(super) struct Arrived {
    pub(super) delivery: Delivery,
    pub(super) held: Held,
    pub(super) arrival: Arrival,
    pub(super) decoded: Result<TaskRequest, Malformed>,
    pub(super) ahead: Option<Known>,
}

impl Service {
    /// Begins what is delivered; the prefetch bounds how much that is.
    pub(super) async fn consume(
        self: Arc<Self>,
        mut deliveries: Deliveries,
        mut begin: impl FnMut(&Arc<Self>, Vec<Delivery>),
    ) {
        loop {
            let came = deliveries.recv_many(AT_ONCE).await;
            let are_many = came.len() == AT_ONCE;
            if came.is_empty() {
                return;
            }
            begin(&self, came);
            if are_many {
                requeue().await;
            }
        }
    }

    /// Gives all tasks that came together one of tokio's.
    pub(super) fn begin_tasks(self: &Arc<Self>, mut came: Vec<Delivery>) {
        for large in came.extract_if(.., |delivery| delivery.body.len() > LARGE) {
            self.spawn(self.clone().look_and_process(vec![large]));
        }
        if !came.is_empty() {
            self.spawn(self.clone().look_and_process(came));
        }
    }

    /// Gives all events one together.
    pub(super) fn begin_events(self: &Arc<Self>, came: Vec<Delivery>) {
        self.deliveries.spawn(self.clone().process_events(came));
    }

    /// No `async fn`: the type of [`Self::process_tasks`], which calls this, would contain itself.
    pub(super) fn go_on_with_tasks(self: &Arc<Self>, arrived: vec::IntoIter<Arrived>) {
        self.spawn(self.clone().process_tasks(arrived));
    }

    fn spawn(&self, way: impl Future<Output = ()> + Send + 'static) {
        debug_assert!(
            size_of_val(&way) <= LARGEST_WAY,
            "a task's way takes {} bytes: box what is rare",
            size_of_val(&way)
        );
        // In a box, since tokio would copy it from place to place, and once more when it is over.
        self.deliveries.spawn(Box::pin(way));
    }

    async fn look_and_process(self: Arc<Self>, came: Vec<Delivery>) {
        // Whatever one of them does to who decodes it (a panic was reported), the others go on; it is given back.
        let arrive = |delivery| catch_unwind(AssertUnwindSafe(|| self.arrive(delivery))).ok();
        let mut arrived: Vec<_> = came.into_iter().filter_map(arrive).collect();
        self.look_ahead(&mut arrived).await;
        self.process_tasks(arrived.into_iter()).await;
    }

    fn arrive(&self, delivery: Delivery) -> Arrived {
        let arrival = self.arrival();
        let class = delivery.queue.class().unwrap_or_default();
        let held = self.load.hold(class, &delivery.body);
        let decoded = TaskRequest::decode(&delivery.routing_key, &delivery.properties, &delivery.body, self.max_body());
        Arrived { delivery, held, arrival, decoded, ahead: None }
    }

    /// Claims those that are known to need it and that nobody else has, and asks where they stand unless that may be asked late.
    async fn look_ahead(&self, arrived: &mut [Arrived]) {
        let mut claims = Vec::with_capacity(arrived.len());
        for arrived in arrived.iter_mut() {
            let claim = self.claim_ahead(arrived);
            claims.push(match claim {
                Some(claim) if self.may_ask_late(arrived) => {
                    arrived.ahead = Some(Known::ahead(claim, None, None));
                    None
                }
                claim => claim,
            });
        }
        let ids: Vec<Uuid> = claims.iter().flatten().map(Claim::id).collect();
        if ids.is_empty() {
            return;
        }
        let asked = Instant::now();
        let Ok(Ok(mut states)) = timeout(LOOK, self.parts.lookups.states(ids)).await else { return };
        for (arrived, claim) in arrived.iter_mut().zip(claims) {
            let Some(claim) = claim else { continue };
            let state = states.remove(&claim.id());
            arrived.ahead = Some(Known::ahead(claim, state, Some(asked)));
        }
    }

    fn claim_ahead(&self, arrived: &mut Arrived) -> Option<Claim> {
        let request = arrived.decoded.as_ref().ok()?;
        let message_id = request.message_id.as_ref().filter(|_| !has_wishes(request, &arrived.delivery))?;
        let claim = self.in_flight.try_claim(id_of_message(&request.producer_app, message_id));
        arrived.arrival.behind_another = claim.is_none();
        claim
    }

    async fn process_tasks(self: Arc<Self>, mut arrived: vec::IntoIter<Arrived>) {
        let mut turn = Instant::now();
        while let Some(task) = arrived.next() {
            if turn.elapsed() > TURN {
                requeue().await;
                turn = Instant::now();
            }
            // A panic, which was reported, is that of this one alone.
            let mut way = pin!(AssertUnwindSafe(self.process_task(task)).catch_unwind());
            // Without tokio's budget: it is meant for one task, and would be used up by some of these.
            if poll!(unconstrained(way.as_mut())).is_pending() {
                if arrived.len() > 0 {
                    self.go_on_with_tasks(arrived);
                }
                let _its_end = way.await;
                return;
            }
        }
    }
}

/// Lets others have their turn, and goes on behind them or on another thread. What tokio's `yield_now` puts aside can't be taken by another
/// thread until this one has looked at its connections, which may be many turns later.
pub(super) async fn requeue() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
