//! Walks through dead letters for those who ask over HTTP: one at a time, with an end.
//!
//! A walk holds the letters that it looks at, so two at once would each see a part. It has a connection of its own, and goes on
//! to its end when who asked has gone: one that is cut off may leave a letter both tried again and dead.

use std::{sync::Arc, time::Duration};

use event_driven::connection::ConnectionSettings;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::problem::Problem;
use crate::{
    broker::{Broker, InProcess},
    dead_letters::{Action, Bounds, DeadLetters, DeadLettersError, Filter, OWN_QUEUES, Walked},
    service::Service,
};

/// How long a walk goes on. What it did not come to then is told.
const TIME: Duration = Duration::from_secs(30);

/// Beyond that: what connecting, the last letter and the way back may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// After how many seconds who finds somebody at it may ask again: most walks are shorter.
const RETRY_AFTER_S: u64 = 1;

/// The walks of one interface.
#[derive(Debug)]
pub(super) struct Walks {
    turn: Arc<Semaphore>,
}

impl Default for Walks {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)) }
    }
}

/// What is to be done with which letters.
pub(super) struct Asked {
    /// None: warren's own queues.
    pub(super) queue: Option<String>,
    pub(super) filter: Filter,
    pub(super) limit: usize,
    pub(super) action: Action,
}

impl Walks {
    /// # Errors
    /// 503 while somebody else walks, or if RabbitMQ can't be asked; 422 if there is no such queue.
    pub(super) async fn walk(&self, service: &Service, asked: Asked) -> Result<Walked, Problem> {
        self.go(service, asked, None).await
    }

    /// A walk that changes something, of which the log tells what was done and by whom, also where nobody waits for the answer.
    ///
    /// # Errors
    /// As [`Self::walk`].
    pub(super) async fn change(&self, service: &Service, asked: Asked, by: String) -> Result<Walked, Problem> {
        self.go(service, asked, Some(by)).await
    }

    async fn go(&self, service: &Service, asked: Asked, by: Option<String>) -> Result<Walked, Problem> {
        let turn = Arc::clone(&self.turn)
            .try_acquire_owned()
            .map_err(|_| Problem::busy("somebody is just going through the dead letters; try again", RETRY_AFTER_S))?;
        let way = Way::of(service)?;
        let walk = tokio::spawn(async move {
            let _turn = turn;
            let walked = timeout(TIME + PATIENCE, asked.walk(way)).await;
            match (&walked, by) {
                (_, None) => {}
                (Ok(Ok(walked)), Some(by)) => tracing::info!("{} dead letters were {by}", walked.letters.len()),
                (Ok(Err(_)) | Err(_), Some(by)) => {
                    tracing::warn!("dead letters were {by}; the walk was broken off, how many is not known");
                }
            }
            walked
        });
        match walk.await {
            Ok(Ok(walked)) => Ok(walked?),
            Ok(Err(_)) => {
                let time = humantime::format_duration(TIME + PATIENCE);
                Err(Problem::unavailable(format!("RabbitMQ did not answer within {time}; what was not done is back")))
            }
            Err(error) => {
                tracing::error!(%error, "a walk through dead letters has ended early: {error}");
                Err(Problem::unavailable("the walk has ended early; what was not done is back"))
            }
        }
    }
}

impl Asked {
    async fn walk(self, way: Way) -> Result<Walked, DeadLettersError> {
        let bounds = Bounds { letters: self.limit, until: Some(Instant::now() + TIME) };
        let dead_letters = way.open().await?;
        dead_letters.walk(&queues(self.queue), &self.filter, bounds, self.action, |_, _, _| {}).await
    }
}

/// The one that is named, else warren's own.
pub(super) fn queues(named: Option<String>) -> Vec<String> {
    named.map_or_else(|| OWN_QUEUES.map(str::to_owned).to_vec(), |queue| vec![queue])
}

/// How the dead letters of the service are reached.
enum Way {
    RabbitMq(Box<ConnectionSettings>),
    InProcess(InProcess),
}

impl Way {
    fn of(service: &Service) -> Result<Self, Problem> {
        let parts = service.parts();
        Ok(match &parts.broker {
            Broker::RabbitMq(_) => {
                let settings = parts.config.to_connection("dead letters");
                Self::RabbitMq(Box::new(settings.map_err(|error| Problem::unavailable(error.to_string()))?))
            }
            Broker::InProcess(broker) => Self::InProcess(broker.clone()),
        })
    }

    async fn open(self) -> Result<DeadLetters, DeadLettersError> {
        match self {
            Self::RabbitMq(settings) => DeadLetters::open(&settings).await,
            Self::InProcess(broker) => Ok(DeadLetters::in_memory(broker)),
        }
    }
}
