//! Records tasks and events: what the rest of the service sees of the writers.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::{
    Answers, Database, EventRow, Health, Outcomes, Subscription, TaskRow, health::HealthBoard, row::Row, waiter::Then,
    writer::Shared,
};

/// Why a row was not recorded. Of an outage the caller hears nothing: the recorder waits until it is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The database never takes this row as it is. Record [`TaskRow::storable`] or [`EventRow::storable`] instead.
    #[error("the database refused the row: {reason}")]
    Refused {
        /// What the database said.
        reason: String,
    },
    /// Something is stored of the task, and the state was to be stored only if there is nothing
    /// ([`Novelty::Required`](super::Novelty::Required)): it is not. Ask where the task stands.
    #[error("something is stored of the task already")]
    Stands,
    /// The recorder was stopped, or has failed, before the row was known to be committed (it may be): leave the message
    /// in its queue.
    #[error("the recorder has stopped")]
    Stopped,
}

/// What the recorder has done since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows of tasks that were committed. States that were merged before they were written count once.
    pub task_rows: u64,
    /// Rows of events that were committed.
    pub event_rows: u64,
    /// Flushes that committed them, or parts of one: each is a statement, or some where rows are copied, upserted and inserted.
    pub statements: u64,
}

/// Records tasks and events. Cheap to clone; when the last clone is gone, what it holds is still written.
#[derive(Clone)]
pub struct Recorder {
    tasks: Arc<Writer<Arc<TaskRow>>>,
    events: Arc<Writer<Arc<EventRow>>>,
    health: Arc<HealthBoard>,
    outcomes: Outcomes,
}

impl Recorder {
    /// Starts the two background writers, on the current tokio runtime.
    pub fn start(db: &Database) -> Self {
        let health = Arc::new(HealthBoard::new());
        let outcomes = Outcomes::default();
        Self {
            tasks: Writer::start(Shared::new(db.clone(), health.clone(), outcomes.clone())),
            events: Writer::start(Shared::new(db.clone(), health.clone(), outcomes.clone())),
            health,
            outcomes,
        }
    }

    /// Says that a task is in a state that is not its end, as a rule RUNNING. Neither waits nor fails: the state is
    /// left out if a later one comes before it was written, if there is no room, or if the database refuses it. Gives
    /// whether it was taken in.
    pub fn announce(&self, task: TaskRow) -> bool {
        self.tasks.shared.announce(task.into())
    }

    /// Records a state of a task. Returns when it is committed, or a later state of the same task that was recorded
    /// meanwhile, or if a state that is stored already stands against it (COMPLETED is never overwritten). May take as
    /// long as an outage of the database. A caller that gives up waiting takes nothing back.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn record(&self, task: impl Into<Arc<TaskRow>>) -> Result<(), RecordError> {
        self.tasks.shared.record(task.into()).await
    }

    /// The same for one who does not wait: `then` is called once, with the answer. As a rule by the writer, which writes nothing until it
    /// returns: it has to be brief. Returns when there is room for the row.
    pub async fn record_then(
        &self,
        task: Arc<TaskRow>,
        then: impl FnOnce(Result<(), RecordError>) + Send + Sync + 'static,
    ) {
        self.tasks.shared.record_then(task, Then::new(then)).await;
    }

    /// Records an event; as [`Self::record`]. An event whose id is stored already is left as it is.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub async fn record_event(&self, event: impl Into<Arc<EventRow>>) -> Result<(), RecordError> {
        self.events.shared.record(event.into()).await
    }

    /// Records events that came together, each as [`Self::record_event`] does. Returns when there is room for all, no more than 10,000;
    /// their answers come as they are committed.
    pub async fn record_events(&self, events: Vec<Arc<EventRow>>) -> Answers {
        self.events.shared.record_all(events).await
    }

    /// Waits for this process to commit an end of the task; see [`Outcomes::subscribe`].
    pub fn subscribe(&self, task: Uuid) -> Subscription {
        self.outcomes.subscribe(task)
    }

    /// Whether rows can be written at the moment, and every change of that.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// What was written so far.
    pub fn written(&self) -> Written {
        let (tasks, events) = (&self.tasks.shared, &self.events.shared);
        Written {
            task_rows: tasks.rows_written.load(Ordering::Relaxed),
            event_rows: events.rows_written.load(Ordering::Relaxed),
            statements: tasks.statements.load(Ordering::Relaxed) + events.statements.load(Ordering::Relaxed),
        }
    }

    /// How many rows wait for the statement before theirs.
    pub fn waiting(&self) -> usize {
        self.tasks.shared.waiting() + self.events.shared.waiting()
    }

    /// Takes no more rows, writes those it holds, and ends; cut off after `grace`. Returns whether everything was
    /// written: if not, the callers that wait for the rest get [`RecordError::Stopped`]. May be called again.
    pub async fn stop(&self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        let (tasks, events) = tokio::join!(self.tasks.stop(deadline), self.events.stop(deadline));
        tasks && events
    }
}

/// One background loop and its owner's end of it.
struct Writer<R: Row> {
    shared: Arc<Shared<R>>,
    /// `None` once it has been awaited.
    task: Mutex<Option<JoinHandle<()>>>,
}

impl<R: Row> Writer<R> {
    fn start(shared: Arc<Shared<R>>) -> Arc<Self> {
        let task = tokio::spawn(shared.clone().run());
        Arc::new(Self { shared, task: Mutex::new(Some(task)) })
    }

    async fn stop(&self, deadline: Instant) -> bool {
        self.shared.close();
        let mut owned = self.task.lock().await;
        let Some(mut task) = owned.take() else { return true };
        let ended = match timeout_at(deadline, &mut task).await {
            Ok(ended) => ended,
            Err(_) => {
                task.abort();
                // Its rows are answered when it is dropped, not when that is asked for.
                task.await
            }
        };
        match ended {
            Ok(()) => true,
            Err(error) if error.is_panic() => {
                tracing::error!(%error, "the writer of {} panicked", R::KIND);
                false
            }
            Err(_) => {
                tracing::warn!("the writer of {} was cut off with rows unwritten", R::KIND);
                false
            }
        }
    }
}

impl<R: Row> Drop for Writer<R> {
    fn drop(&mut self) {
        self.shared.close();
    }
}
