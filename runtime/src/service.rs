//! The pipeline that joins the four parts, and stops them in order.
//!
//! A newcomer follows a task from `look_and_process`, which decodes and looks up those that came together, through
//! `process_task` from top to bottom and has read the whole story: admit, find, execute, decide, record, settle. The
//! parts do not know each other; they meet here, over plain types.
//! Invariant 1 is the order of the last two steps: a message leaves its queue only after its outcome is committed.

mod admission;
mod again;
mod attempt;
mod cancel;
mod content;
mod copies;
mod course;
mod delayed;
mod event_pace;
mod events;
mod in_flight;
mod late;
mod load;
mod pace;
mod recording;
pub mod reply;
mod resume;
mod retention;
mod rows;
mod schedule;
mod shares;
mod standing;
mod stop;
mod submit;
mod tidy;
mod together;
mod waiting;
mod wishes;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use event_driven::message::TaskRequest;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    admission::{Admission, Arrival, Known},
    attempt::{Attempted, Made},
    event_pace::EventPace,
    in_flight::InFlight,
    late::Doubts,
    load::{Held, Load},
    recording::Concluded,
    together::Arrived,
    wishes::Granted,
};
pub use self::{
    again::{AgainError, message_of},
    stop::StopReport,
    submit::{NewEvent, Submission, SubmitError},
};
use crate::{
    broker::{self, Broker, Delivery, Queue, Settlement},
    components::Components,
    config::Config,
    lifecycle::{self, Database, Heartbeat, Lookups, Recorder},
    outcome::Outcome,
    sandbox::{Program, Sandbox},
};

/// What the way of a task comes to.
enum End {
    /// This becomes of its message; `None` if nothing is to be said of that.
    Settle(Option<Settlement>),
    /// That is to be recorded first.
    Record(Concluded),
}

/// The parts, built.
pub struct Parts {
    /// Messages in and out.
    pub broker: Broker,
    /// From a task's name to its component.
    pub components: Components<Program>,
    /// From a component and a payload to an outcome.
    pub sandbox: Sandbox,
    /// From an outcome to a committed row.
    pub recorder: Recorder,
    /// Asks what became of tasks, many in one statement.
    pub lookups: Lookups,
    /// This runtime's sign of life; its id is the one that rows have.
    pub heartbeat: Heartbeat,
    /// Reads rows; its clock is the one that every stored time comes from.
    pub database: Database,
    /// The settings.
    pub config: Config,
}

/// A running service.
pub struct Service {
    parts: Parts,
    /// This run of the service, as `task_store.runtime_id` has it.
    runtime_id: Arc<str>,
    in_flight: InFlight,
    /// Messages that were settled without an execution, because their task was over or had another message.
    duplicates: AtomicU64,
    /// Tasks that are held, for the pace.
    load: Arc<Load>,
    /// Tasks that are looked up first, although they might be executed before.
    doubts: Doubts,
    /// Held while a redelivery looks for the row that it takes over.
    taking_over: tokio::sync::Mutex<()>,
    /// What is under way with unsettled deliveries: of tasks and events that came together, and of each task that waits. And each consumer.
    deliveries: TaskTracker,
    /// What goes on beside the deliveries, until a stop.
    background: TaskTracker,
    /// Set first thing by a stop; readiness tells.
    stopping: AtomicBool,
    /// Rung when a task was cancelled by this process: the next look need not be waited for.
    look_for_cancels: Notify,
    /// Rung when this process has put a task by until later, or has a new schedule.
    delayed_arrived: Notify,
    /// Cancelled when the grace is over: what still waits is given back.
    cut_off: CancellationToken,
    /// Cancelled when nothing can be recorded any more, though nobody asked for a stop.
    broken: CancellationToken,
}

impl Service {
    /// Starts to consume tasks and events.
    pub async fn start(parts: Parts) -> Arc<Self> {
        let service = Arc::new(Self {
            runtime_id: parts.heartbeat.runtime_id().clone(),
            duplicates: AtomicU64::new(0),
            in_flight: InFlight::default(),
            load: Arc::default(),
            doubts: Doubts::default(),
            taking_over: tokio::sync::Mutex::default(),
            deliveries: TaskTracker::new(),
            background: TaskTracker::new(),
            stopping: AtomicBool::new(false),
            look_for_cancels: Notify::new(),
            delayed_arrived: Notify::new(),
            cut_off: CancellationToken::new(),
            broken: CancellationToken::new(),
            parts,
        });
        let events = service.parts.broker.consume(Queue::EventStore);
        service.consume_tasks();
        service.background.spawn(Self::watch_cancels(Arc::downgrade(&service)));
        service.background.spawn(Self::keep_publishing_delayed(Arc::downgrade(&service)));
        service.background.spawn(Self::keep_tidy(Arc::downgrade(&service)));
        service.background.spawn(Self::delete_until_stop(Arc::downgrade(&service)));
        service.background.close();
        let broker = &service.parts.config.broker;
        let mut pace = EventPace::new(events.prefetch(), broker.prefetch, broker.memory.as_u64());
        service.deliveries.spawn(service.clone().consume(events, move |service, came| {
            pace.came(&came);
            service.begin_events(came);
        }));
        service
    }

    /// The parts, for those who ask and do not run tasks: HTTP and the command line.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn count_duplicate(&self) {
        self.duplicates.fetch_add(1, Ordering::Relaxed);
    }

    /// For each thing that the service needs, `ok` or what is wrong with it.
    pub fn readiness(&self) -> [(&'static str, String); 4] {
        let broker = match &*self.parts.broker.health().borrow() {
            broker::Health::Connected => "ok".to_owned(),
            broker::Health::Disconnected(reason) => reason.to_string(),
        };
        let database = match &*self.parts.recorder.health().borrow() {
            lifecycle::Health::Healthy => "ok".to_owned(),
            lifecycle::Health::Unhealthy(reason) => reason.clone(),
        };
        let service = if self.is_stopping() { "stopping" } else { "ok" };
        let components = self.parts.components.store_trouble().unwrap_or_else(|| "ok".to_owned());
        [("broker", broker), ("components", components), ("database", database), ("service", service.to_owned())]
    }

    /// The way of a task.
    async fn process_task(self: &Arc<Self>, arrived: Arrived) {
        let Arrived { delivery, held, arrival, decoded, ahead } = arrived;
        let end = match decoded {
            Err(malformed) => {
                let refused = Box::pin(self.in_time(self.refuse_task(&delivery, &malformed), &delivery)).await;
                End::Settle(refused.flatten())
            }
            Ok(request) => self.run_task(request, arrival, ahead, &delivery).await,
        };
        match end {
            End::Settle(settlement) => self.settle_held(delivery, settlement, &held),
            End::Record(concluded) => self.settle_once_recorded(concluded, delivery, held).await,
        }
    }

    /// From a request to what becomes of its message.
    async fn run_task(
        &self,
        mut request: TaskRequest,
        arrival: Arrival,
        mut ahead: Option<Known>,
        delivery: &Delivery,
    ) -> End {
        request = match self.grant_wishes(request, delivery).await {
            Granted::GoOn(request) => request,
            Granted::Settle(settlement) => return End::Settle(Some(settlement)),
            Granted::Drop => return End::Settle(None),
        };
        loop {
            let mut task = match self.admit(request, arrival, ahead.take(), delivery).await {
                Admission::Execute(task) => task,
                Admission::Settle(settlement) => return End::Settle(Some(settlement)),
                Admission::Drop => return End::Settle(None),
            };
            match self.attempt(&mut task, delivery).await {
                // Without an id nothing keeps the copy that comes next from being executed: the row, if there is one, is for it.
                Attempted::Made(made) if task.request.message_id.is_none() && delivery.is_void() => {
                    if task.taken_over || self.may_be_announced(&task.row) {
                        let interrupted = Made { outcome: Outcome::Interrupted, ..made };
                        let Concluded { task, settlement } = self.conclude(task, interrupted);
                        Box::pin(self.commit(&task.request, task.row.clone(), settlement)).await;
                    }
                    return End::Settle(None);
                }
                Attempted::Made(made) => return End::Record(self.conclude(task, made)),
                Attempted::Dropped => {
                    self.let_go(&task);
                    return End::Settle(None);
                }
                Attempted::NoPlace => {
                    self.let_go(&task);
                    return End::Settle(Box::pin(self.wait_in_queue(task, delivery)).await);
                }
                Attempted::Overtaken => request = task.request,
            }
        }
    }

    fn settle_held(&self, delivery: Delivery, settlement: Option<Settlement>, held: &Held) {
        if settlement.as_ref().is_some_and(|settlement| *settlement != Settlement::Release) {
            held.ended();
        }
        self.settle(delivery, settlement);
    }

    /// The last step. Without a settlement nothing is known to be committed: the message goes back, and comes again.
    fn settle(&self, delivery: Delivery, settlement: Option<Settlement>) {
        match settlement {
            Some(settlement) => self.parts.broker.settle(delivery, settlement),
            None => drop(delivery),
        }
    }

    /// Returns when the service can't go on: the process should stop, and be started anew. Cancel-safe.
    pub async fn broken(&self) {
        self.broken.cancelled().await;
    }

    /// The recorder takes nothing any more. If nobody asked for that, its writer has failed.
    fn recorder_stopped(&self) {
        if !self.is_stopping() && !self.broken.is_cancelled() {
            tracing::error!("nothing can be recorded any more: the recorder has failed, see above; stopping");
            self.broken.cancel();
        }
    }

    fn max_body(&self) -> usize {
        usize::try_from(self.parts.config.broker.max_body.as_u64()).unwrap_or(usize::MAX)
    }
}
