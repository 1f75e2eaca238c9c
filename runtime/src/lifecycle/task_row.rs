//! One state of a task, as it is to be stored.

use std::{mem, sync::Arc};

use chrono::{DateTime, Utc};
use entity::{AttemptOutcome, TaskStatus, task_store};
use uuid::Uuid;

use super::{
    attempt_row::{self, AttemptRow},
    stored_text,
};
use crate::outcome::Failure;

/// One state of a task: a row of `task_store`. Texts that all states of a task share are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// The task's identifier.
    pub id: Uuid,
    /// Chosen by the producer; ties the task to what else happened for the same cause.
    pub correlation_id: Option<Arc<str>>,
    /// The service that asked for the task.
    pub producer_app: Option<Arc<str>>,
    /// When the task was first seen. The first state stored decides.
    pub created_at: DateTime<Utc>,
    /// The component that the task asks for.
    pub task_name: Option<Arc<str>>,
    /// The task's argument: a JSON text that was checked.
    pub payload: Option<Arc<str>>,
    /// Where the task stands.
    pub status: TaskStatus,
    /// What the component returned: a JSON text that was checked.
    pub result: Option<Arc<str>>,
    /// Why the last attempt failed.
    pub error: Option<Arc<str>>,
    /// The producer's identifier of the message.
    pub message_id: Option<Arc<str>>,
    /// The key that the message was published with.
    pub routing_key: Option<Arc<str>>,
    /// The attempt that this state belongs to, counted from 0.
    pub attempt: u32,
    /// The digest of the component that the attempt ran.
    pub component_digest: Option<Arc<str>>,
    /// The runtime that made the attempt.
    pub runtime_id: Option<Arc<str>>,
    /// When the attempt began. A state of an attempt has it, so that it can be told from one of an earlier attempt.
    pub started_at: Option<DateTime<Utc>>,
    /// When the task came to its end.
    pub finished_at: Option<DateTime<Utc>>,
    /// What is new of the task's attempts; committed with the state, and also where the state itself has to yield. Empty in
    /// a row that was read.
    pub attempts: Vec<AttemptRow>,
    /// What is known of a stored one.
    pub novelty: Novelty,
}

/// What is known of what is stored of a task when a state of it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Novelty {
    /// There may be something; it gives way to the state by the rule of the record (COMPLETED never does).
    #[default]
    Unknown,
    /// There is nothing, as far as this runtime knows. It may be wrong: a hint, for speed alone.
    Presumed,
    /// Nobody has asked, and the state is to be stored only if there is nothing:
    /// [`RecordError::Stands`](super::RecordError::Stands) otherwise. One that completed the task, with the attempt that did so.
    Required,
}

impl TaskRow {
    /// A task that is PENDING, of which nothing else is known yet.
    pub fn new(id: Uuid, created_at: DateTime<Utc>) -> Self {
        Self {
            id,
            correlation_id: None,
            producer_app: None,
            created_at,
            task_name: None,
            payload: None,
            status: TaskStatus::Pending,
            result: None,
            error: None,
            message_id: None,
            routing_key: None,
            attempt: 0,
            component_digest: None,
            runtime_id: None,
            started_at: None,
            finished_at: None,
            attempts: Vec::new(),
            novelty: Novelty::Unknown,
        }
    }

    /// An attempt begins, of which nothing else is known yet.
    pub fn begin(&mut self, attempt: AttemptRow) {
        self.component_digest.clone_from(&attempt.component_digest);
        self.runtime_id = Some(attempt.runtime_id.clone());
        self.started_at = Some(attempt.started_at);
        self.attempts = vec![attempt];
    }

    /// The task has come to its end without a result.
    pub fn fail(&mut self, error: impl Into<Arc<str>>, at: DateTime<Utc>) {
        self.status = TaskStatus::Failed;
        self.error = Some(error.into());
        self.finished_at = Some(at);
    }

    /// The task was cancelled, because of this.
    pub fn cancel(&mut self, why: &Failure, at: DateTime<Utc>) {
        self.status = TaskStatus::Cancelled;
        self.error = Some(why.to_string().into());
        self.finished_at = Some(at);
    }

    /// The row to store in place of one that the database refused: FAILED, without payload and result, with over-long
    /// texts cut, and with `reason` in its error. What an earlier state stored of the task stays.
    #[must_use]
    pub fn storable(mut self, reason: &str) -> Self {
        let failure = Failure::unstorable(reason);
        let at = self.finished_at.or(self.started_at).unwrap_or(self.created_at);
        self.payload = None;
        self.result = None;
        self.fail(failure.to_string(), at);
        if let Some(last) = self.attempts.last_mut() {
            last.end(AttemptOutcome::Failed, Some(failure), at);
        }
        self.texts_mut().into_iter().for_each(stored_text::cut);
        self.clean()
    }

    /// Replaces what no `text` column can hold.
    pub(super) fn clean(mut self) -> Self {
        self.texts_mut().into_iter().for_each(stored_text::replace_nul);
        stored_text::replace_nul(&mut self.error);
        self.attempts.iter_mut().for_each(AttemptRow::clean);
        self
    }

    /// Whether there is nothing to replace.
    pub(super) fn is_clean(&self) -> bool {
        let mut texts = self.texts().into_iter().chain([&self.error]).flatten();
        !texts.any(|text| stored_text::has_nul(text)) && self.attempts.iter().all(AttemptRow::is_clean)
    }

    /// The texts that are neither JSON nor the error.
    fn texts(&self) -> [&Option<Arc<str>>; 7] {
        [
            &self.correlation_id,
            &self.producer_app,
            &self.task_name,
            &self.message_id,
            &self.routing_key,
            &self.component_digest,
            &self.runtime_id,
        ]
    }

    /// The same, to be changed.
    fn texts_mut(&mut self) -> [&mut Option<Arc<str>>; 7] {
        [
            &mut self.correlation_id,
            &mut self.producer_app,
            &mut self.task_name,
            &mut self.message_id,
            &mut self.routing_key,
            &mut self.component_digest,
            &mut self.runtime_id,
        ]
    }

    /// Whether `newer`, which was recorded after this state, takes its place. The same rule, in SQL, guards the stored
    /// row: see [`super::postgres`] and [`super::sqlite`].
    ///
    /// COMPLETED stays for good. Another end takes the place of everything else. A state that is no end takes the
    /// place of one of the same attempt or an earlier one, and of an end that came before its own attempt began (the
    /// message was sent once more); so what a slow runtime says late changes nothing. That an attempt runs does not take the
    /// place of its failure.
    pub(super) fn yields_to(&self, newer: &Self) -> bool {
        match self.status {
            TaskStatus::Completed => false,
            TaskStatus::Failed | TaskStatus::Cancelled => {
                newer.status.is_final()
                    || self.finished_at.zip(newer.started_at).is_some_and(|(end, start)| end <= start)
            }
            TaskStatus::Pending | TaskStatus::Running => {
                newer.status.is_final() || (self.attempt <= newer.attempt && !self.is_the_failure_of(newer))
            }
        }
    }

    /// Whether this is how the attempt failed that `running` says to run.
    fn is_the_failure_of(&self, running: &Self) -> bool {
        running.status == TaskStatus::Running
            && running.attempt == self.attempt
            && self.status == TaskStatus::Pending
            && self.error.is_some()
            && running.started_at.zip(self.started_at).is_some_and(|(running, failed)| running <= failed)
    }

    /// Becomes what the stored row would be if this state and then `newer` were written.
    pub(super) fn absorb(&mut self, mut newer: Self) {
        attempt_row::add(&mut self.attempts, mem::take(&mut newer.attempts));
        if newer.novelty == Novelty::Required {
            self.novelty = Novelty::Required;
        }
        if !self.yields_to(&newer) {
            return;
        }
        newer.attempts = mem::take(&mut self.attempts);
        newer.novelty = self.novelty;
        let older = mem::replace(self, newer);
        self.created_at = older.created_at;
        keep(&mut self.correlation_id, older.correlation_id);
        keep(&mut self.producer_app, older.producer_app);
        keep(&mut self.task_name, older.task_name);
        keep(&mut self.payload, older.payload);
        keep(&mut self.message_id, older.message_id);
        keep(&mut self.routing_key, older.routing_key);
        keep(&mut self.started_at, older.started_at);
    }

    /// The attempt that is kept in the row itself: the one that completed the task, if there is nothing else to be told and the
    /// row says the same of it. Also where the row has to yield; then it goes to `task_attempt` after all.
    pub(super) fn kept_attempt(&self) -> Option<&AttemptRow> {
        match self.attempts.as_slice() {
            [attempt] if self.is_of(attempt) => Some(attempt),
            _ => None,
        }
    }

    /// The attempts that are rows of `task_attempt`.
    pub(super) fn other_attempts(&self) -> &[AttemptRow] {
        if self.kept_attempt().is_some() { &[] } else { &self.attempts }
    }

    /// Whether the attempt completed the task, nobody has told before that it runs, and it can be read from the row as it is.
    fn is_of(&self, attempt: &AttemptRow) -> bool {
        self.status == TaskStatus::Completed
            && attempt.outcome == AttemptOutcome::Completed
            && !attempt.announced
            && attempt.failure.is_none()
            && self.attempt == attempt.attempt
            && self.runtime_id.as_ref() == Some(&attempt.runtime_id)
            && self.component_digest == attempt.component_digest
            && self.started_at == Some(attempt.started_at)
            && self.finished_at == attempt.finished_at
    }

    /// Roughly what the row weighs in a statement, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let texts = [&self.payload, &self.result, &self.error, &self.correlation_id, &self.message_id];
        let attempts = self.attempts.iter().map(AttemptRow::size_bytes).sum::<usize>();
        256 + attempts + texts.into_iter().flatten().map(|text| text.len()).sum::<usize>()
    }
}

/// What is known of a task is not forgotten because a later state does not repeat it.
fn keep<T>(value: &mut Option<T>, known: Option<T>) {
    if value.is_none() {
        *value = known;
    }
}

impl From<task_store::Model> for TaskRow {
    fn from(stored: task_store::Model) -> Self {
        let text = |value: Option<String>| value.map(Arc::from);
        Self {
            id: stored.id_task,
            correlation_id: text(stored.correlation_id),
            producer_app: text(stored.producer_app),
            created_at: stored.created_at,
            task_name: text(stored.task_name),
            payload: text(stored.payload),
            status: stored.status,
            result: text(stored.result),
            error: text(stored.error),
            message_id: text(stored.message_id),
            routing_key: text(stored.routing_key),
            // Only this program writes it, never a negative one.
            attempt: u32::try_from(stored.attempt).unwrap_or_default(),
            component_digest: text(stored.component_digest),
            runtime_id: text(stored.runtime_id),
            started_at: stored.started_at,
            finished_at: stored.finished_at,
            attempts: Vec::new(),
            novelty: Novelty::Unknown,
        }
    }
}
