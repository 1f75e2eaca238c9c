//! Where `warren top` looks: at the database and RabbitMQ of the settings, or over HTTP at a running warren where no database is
//! set.

use anyhow::Context;
use chrono::Utc;

use crate::{
    activity::{Observer, Snapshot, Told},
    cli::client::Client,
    config::Config,
};

pub(super) enum Looker {
    Servers(Box<Observer>),
    Http(Client),
}

impl Looker {
    pub(super) fn new(config: Config) -> anyhow::Result<Self> {
        Ok(match config.database.url.is_empty() {
            true => Self::Http(Client::new(&config)?),
            false => Self::Servers(Box::new(Observer::new(config))),
        })
    }

    /// Looks once. What can't be asked is unknown, with the reason.
    pub(super) async fn look(&mut self) -> Snapshot {
        match self {
            Self::Servers(observer) => observer.look().await,
            Self::Http(client) => over_http(client).await.unwrap_or_else(|error| Snapshot {
                at: Utc::now(),
                database: Told::unknown(format!("{error:#}")),
                queues: Told::unknown("they are told by the same warren"),
            }),
        }
    }
}

async fn over_http(client: &Client) -> anyhow::Result<Snapshot> {
    let told = client.get("/v1/activity", &[]).await?;
    let told = told.context("the warren that answers does not tell what goes on: is it of this version?")?;
    serde_json::from_value(told).context("the answer can't be understood: is it a warren of this version?")
}
