//! Asks what became of a task before, for many tasks with one statement.
//!
//! A message with a `message_id` may have been executed already, so its row is looked up before it is executed
//! (invariant 2). As soon as one question is answered, the next one takes all that has come meanwhile; where many come, it
//! waits a moment for more of them, since a question costs the database far more than an id in it does.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use event_driven::backoff::Backoff;
use sea_orm::DbErr;
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{Database, FIRST_PAUSE, QueryError, TaskStatus, verdict::reason};

/// So many ids, and those of one caller more, are the most of a question; and the most callers that wait for one.
const QUESTION_IDS: usize = 1_000;

/// A question of so many ids is a sign that more are on their way.
const MANY_IDS: usize = 4;

/// For how long they are waited for then: about as long as a question takes.
const GATHER: Duration = Duration::from_millis(1);

/// So many are answered before others have their turn. A thread of tokio's keeps 256 that are woken in order; where they are more, it
/// puts the older half aside until it has nothing else to do, and what was delivered first would be settled last.
const ANSWERED_AT_ONCE: usize = 128;

/// How often a question is asked before its callers are told that the database is away.
const TRIES: u32 = 3;

/// How long a question may take before its connection is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What is stored of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTask {
    /// Where it stands.
    pub status: TaskStatus,
    /// Its last attempt, counted from 0.
    pub attempt: u32,
    /// Of a PENDING one: why that attempt failed. None if it was not made, or was given back.
    pub error: Option<String>,
    /// When it came to its end.
    pub finished_at: Option<DateTime<Utc>>,
    /// Whether somebody wants it cancelled, and it is not over.
    pub to_be_cancelled: bool,
    /// Of a RUNNING one: where.
    pub runs_in: Option<RunsIn>,
}

/// The runtime in which an attempt is under way, or was when it died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsIn {
    /// The runtime.
    pub runtime_id: String,
    /// Whether it gave a sign of life within the lease, and the attempt is no older than any can be.
    pub alive: bool,
}

/// Asks for many callers at once. Cheap to clone; ends with its last clone.
#[derive(Debug, Clone)]
pub struct Lookups {
    questions: mpsc::Sender<Question>,
    _task: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Question {
    ids: Vec<Uuid>,
    answer: oneshot::Sender<Result<HashMap<Uuid, KnownTask>, QueryError>>,
}

impl Lookups {
    /// Starts the background task, on the current tokio runtime.
    pub fn start(db: &Database) -> Self {
        let (questions, asked) = mpsc::channel(QUESTION_IDS);
        let task = tokio::spawn(answer_all(db.clone(), asked));
        Self { questions, _task: Arc::new(AbortOnDropHandle::new(task)) }
    }

    /// What is stored of the task `id`; `None` if there is no row. Says nothing of states that the recorder still holds.
    ///
    /// # Errors
    /// [`QueryError::Unavailable`] after a few tries: leave the message in its queue and ask again.
    pub async fn state(&self, id: Uuid) -> Result<Option<KnownTask>, QueryError> {
        Ok(self.states(vec![id]).await?.remove(&id))
    }

    /// The same for some tasks at once: of each that has a row.
    ///
    /// # Errors
    /// As [`Self::state`].
    pub async fn states(&self, ids: Vec<Uuid>) -> Result<HashMap<Uuid, KnownTask>, QueryError> {
        let (answer, answered) = oneshot::channel();
        let ended = || QueryError::Unavailable(DbErr::Custom("the lookups have ended".to_owned()));
        self.questions.send(Question { ids, answer }).await.map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

async fn answer_all(db: Database, mut asked: mpsc::Receiver<Question>) {
    while let Some(first) = asked.recv().await {
        let (mut ids, mut questions) = (first.ids.clone(), vec![first]);
        while ids.len() < QUESTION_IDS
            && let Ok(next) = asked.try_recv()
        {
            ids.extend(&next.ids);
            questions.push(next);
        }
        let states = ask(&db, &ids).await;
        for (n, Question { ids, answer }) in questions.into_iter().enumerate() {
            if n > 0 && n % ANSWERED_AT_ONCE == 0 {
                yield_now().await;
            }
            let known = |states: &HashMap<Uuid, KnownTask>| {
                ids.iter().filter_map(|id| Some((*id, states.get(id)?.clone()))).collect()
            };
            // Who gave up waiting needs no answer.
            let _ = answer.send(states.as_ref().map(known).map_err(Clone::clone));
        }
        if ids.len() >= MANY_IDS {
            sleep(GATHER).await;
        }
    }
}

async fn ask(db: &Database, ids: &[Uuid]) -> Result<HashMap<Uuid, KnownTask>, QueryError> {
    let mut backoff = Backoff::starting_at(FIRST_PAUSE);
    loop {
        let limit = ANSWER_TIMEOUT.min(db.statement_timeout);
        let answer = timeout(limit, db.look_up(ids));
        match answer.await.unwrap_or_else(|_| Err(QueryError::no_answer(limit))) {
            Err(QueryError::Unavailable(error)) if backoff.failures() < TRIES => {
                tracing::debug!(reason = reason(&error), "the states of tasks can't be asked; trying again");
                sleep(backoff.pause()).await;
            }
            answer => return answer,
        }
    }
}
