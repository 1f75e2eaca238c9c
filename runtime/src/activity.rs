//! What goes on at this moment, in the database and on RabbitMQ: one [`Snapshot`], as `warren top` shows it and `GET /v1/activity`
//! gives it.
//!
//! Beside the way of a task: reads, and changes nothing. What can't be asked is unknown, with the reason, and is asked again
//! with the next look.

use std::time::Duration;

use chrono::{DateTime, Utc};
use event_driven::names::{Attempt, DEAD_EVENT_STORE_QUEUE, DEAD_TASKS_QUEUE, EVENT_STORE_QUEUE, Priority};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::{
    broker::{Depth, Depths},
    config::Config,
    lifecycle::{Activity, Database, QueryError},
};

/// How long a look may take at the database, and at RabbitMQ.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was seen in one look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// When, by the local clock.
    pub at: DateTime<Utc>,
    /// What the database tells.
    pub database: Told<Activity>,
    /// What waits in warren's queues.
    pub queues: Told<Vec<Depth>>,
}

/// Something that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Told<T> {
    /// The answer.
    Known(T),
    /// There was none.
    Unknown {
        /// Why.
        unknown: String,
    },
}

impl<T> Told<T> {
    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown { unknown: reason.into() }
    }

    /// The answer, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(answer) => Some(answer),
            Self::Unknown { .. } => None,
        }
    }
}

/// Looks, over connections that it keeps, and makes again when they are lost.
#[derive(Debug)]
pub struct Observer {
    config: Config,
    database: Option<Database>,
    depths: Option<Depths>,
}

impl Observer {
    /// Connects to nothing yet.
    pub fn new(config: Config) -> Self {
        Self { config, database: None, depths: None }
    }

    /// For who has a database already.
    pub fn with_database(config: Config, database: Database) -> Self {
        Self { database: Some(database), ..Self::new(config) }
    }

    /// Looks once, for some seconds at most.
    pub async fn look(&mut self) -> Snapshot {
        let Self { config, database, depths } = self;
        let (database, queues) = tokio::join!(look_at_database(config, database), look_at_queues(config, depths));
        Snapshot { at: Utc::now(), database, queues }
    }

    /// The same where the queues are in memory.
    pub async fn look_with(&mut self, queues: Vec<Depth>) -> Snapshot {
        let database = look_at_database(&self.config, &mut self.database).await;
        Snapshot { at: Utc::now(), database, queues: Told::Known(queues) }
    }
}

async fn look_at_database(config: &Config, open: &mut Option<Database>) -> Told<Activity> {
    let look = async {
        let database = match open {
            Some(database) => database,
            None => open.insert(Database::connect(&config.to_database()).await.map_err(|error| error.to_string())?),
        };
        database.activity().await.map_err(|error: QueryError| error.to_string())
    };
    match timeout(PATIENCE, look).await {
        Ok(Ok(activity)) => Told::Known(activity),
        Ok(Err(reason)) => Told::unknown(reason),
        Err(_) => Told::unknown(format!("the database did not answer within {}", humantime::format_duration(PATIENCE))),
    }
}

async fn look_at_queues(config: &Config, open: &mut Option<Depths>) -> Told<Vec<Depth>> {
    if config.broker.url.is_empty() {
        return Told::unknown("RABBITMQ_URL is not set");
    }
    let look = async {
        let depths = match open.take() {
            Some(depths) => depths,
            None => {
                let settings = config.to_connection("activity").map_err(|error| error.to_string())?;
                Depths::connect(&settings).await.map_err(|error| error.to_string())?
            }
        };
        let read = depths.read(&queues(config)).await.map_err(|error| error.to_string())?;
        // One over which an answer did not come is not asked again.
        *open = Some(depths);
        Ok::<_, String>(read)
    };
    match timeout(PATIENCE, look).await {
        Ok(Ok(depths)) => Told::Known(depths),
        Ok(Err(reason)) => Told::unknown(reason),
        Err(_) => Told::unknown(format!("RabbitMQ did not answer within {}", humantime::format_duration(PATIENCE))),
    }
}

/// Warren's own, those of retries by the settings.
fn queues(config: &Config) -> Vec<String> {
    let mut queues: Vec<_> = Priority::ALL.map(|class| class.queue().to_owned()).into();
    for class in Priority::ALL {
        queues.extend((0..config.retry.retries).map(|n| class.retry_queue(Attempt::new(n))));
    }
    queues.extend([DEAD_TASKS_QUEUE, EVENT_STORE_QUEUE, DEAD_EVENT_STORE_QUEUE].map(str::to_owned));
    queues
}
