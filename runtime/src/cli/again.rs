//! How a command publishes the message of a task once more: on the broker and the database of the settings, or over HTTP to
//! a running warren where one of the two is not set.

use std::time::Duration;

use anyhow::Context;
use event_driven::publisher::{Publication, Publisher};
use serde_json::Value;
use uuid::Uuid;

use super::{client::Client, migrate, sender};
use crate::{config::Config, lifecycle::Database, service::message_of};

pub(super) enum Again {
    Direct { database: Box<Database>, publisher: Publisher },
    Http(Client),
}

impl Again {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        if config.database.url.is_empty() || config.broker.url.is_empty() {
            return Ok(Self::Http(Client::new(config)?));
        }
        let database = Box::new(migrate::connect(config).await?);
        Ok(Self::Direct { database, publisher: sender::connect(config).await? })
    }

    pub(super) async fn publish(&self, id: Uuid) -> anyhow::Result<()> {
        match self {
            Self::Direct { database, publisher } => {
                let Some(request) = message_of(database, id).await? else { return Ok(()) };
                publisher.publish(Publication::of_task(&request)).await.with_context(|| format!("task {id}"))
            }
            Self::Http(client) => {
                client.post(&format!("/v1/tasks/{id}/retry"), &Value::Null, Duration::ZERO).await.map(drop)
            }
        }
    }
}
