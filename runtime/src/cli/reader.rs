//! Where reading commands read: the database of the settings, or a running warren over HTTP where none is set. Rows come
//! as the same JSON either way.

use anyhow::Context;
use event_driven::names::TaskName;
use serde_json::Value;
use uuid::Uuid;

use super::{client::Client, migrate};
use crate::{
    api::{EventView, LogsView, TaskView, UsageView},
    config::Config,
    lifecycle::{Database, EventFilter, RoutingKeyFilter, TaskFilter},
    next::Course,
};

pub(super) enum Reader {
    /// With the settings by which tasks go on.
    Database(Box<Database>, Course),
    Http(Client),
}

/// A part of a list.
pub(super) struct Page {
    /// The rows, newest first.
    pub(super) items: Vec<Value>,
    /// Where the next part begins, if there may be one.
    pub(super) next: Option<String>,
}

impl Reader {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        if config.database.url.is_empty() {
            return Ok(Self::Http(Client::new(config)?));
        }
        Ok(Self::Database(Box::new(migrate::connect(config).await?), Course::of(config)))
    }

    pub(super) async fn tasks(&self, filter: &TaskFilter, limit: u64, after: Option<&str>) -> anyhow::Result<Page> {
        match self {
            Self::Database(database, _) => {
                let after = after.map(str::parse).transpose()?;
                let rows = database.list_tasks(filter, limit, after).await?;
                let last = rows.last().filter(|_| rows.len() as u64 == limit);
                let next = last.map(|row| row.cursor().to_string());
                let items = rows.into_iter().map(|row| serde_json::to_value(TaskView::from(row)));
                Ok(Page { items: items.collect::<Result<_, _>>()?, next })
            }
            Self::Http(client) => {
                let query = query([
                    ("status", filter.status.map(|status| status.to_string())),
                    ("task_name", filter.task_name.clone()),
                    ("producer_app", filter.producer_app.clone()),
                    ("correlation_id", filter.correlation_id.clone()),
                    ("message_id", filter.message_id.clone()),
                    ("class", filter.class.map(|class| class.to_string())),
                    ("since", filter.since.map(|since| since.to_string())),
                    ("until", filter.until.map(|until| until.to_string())),
                    ("stuck_for", filter.stuck_for.map(|time| humantime::format_duration(time).to_string())),
                    ("limit", Some(limit.to_string())),
                    ("after", after.map(str::to_owned)),
                ]);
                let page = client.get("/v1/tasks", &query).await?;
                let next = page.as_ref().and_then(|page| page.get("next")?.as_str()).map(str::to_owned);
                Ok(Page { items: items(page)?, next })
            }
        }
    }

    pub(super) async fn task(&self, id: Uuid) -> anyhow::Result<Option<Value>> {
        match self {
            Self::Database(database, course) => {
                let Some(row) = database.find_task(id).await? else { return Ok(None) };
                Ok(Some(serde_json::to_value(TaskView::whole(row, database, *course).await?)?))
            }
            Self::Http(client) => client.get(&format!("/v1/tasks/{id}"), &[]).await,
        }
    }

    /// What the guests of a task have written; of all attempts, or of those with this number.
    pub(super) async fn logs(&self, id: Uuid, attempt: Option<u32>) -> anyhow::Result<Option<Value>> {
        match self {
            Self::Database(database, _) => {
                let logs = LogsView::read(database, id, attempt).await?;
                Ok(logs.map(serde_json::to_value).transpose()?)
            }
            Self::Http(client) => {
                let query = query([("attempt", attempt.map(|attempt| attempt.to_string()))]);
                client.get(&format!("/v1/tasks/{id}/logs"), &query).await
            }
        }
    }

    /// What the newest tasks of a component used.
    pub(super) async fn usage(&self, name: &TaskName) -> anyhow::Result<Value> {
        match self {
            Self::Database(database, _) => {
                Ok(serde_json::to_value(UsageView::from(database.usage_of(name.as_str()).await?))?)
            }
            Self::Http(client) => {
                let usage = client.get(&format!("/v1/components/{name}/usage"), &[]).await?;
                usage.context("the warren that answers tells no usage: is it of this version?")
            }
        }
    }

    pub(super) async fn events(&self, filter: &EventFilter, limit: u64) -> anyhow::Result<Vec<Value>> {
        match self {
            Self::Database(database, _) => {
                let rows = database.list_events(filter, limit, None).await?;
                rows.into_iter().map(|row| Ok(serde_json::to_value(EventView::from(row))?)).collect()
            }
            Self::Http(client) => {
                let query = query([
                    ("routing_key", filter.routing_key.as_ref().map(key)),
                    ("producer_app", filter.producer_app.clone()),
                    ("correlation_id", filter.correlation_id.clone()),
                    ("limit", Some(limit.to_string())),
                ]);
                items(client.get("/v1/events", &query).await?)
            }
        }
    }
}

fn key(filter: &RoutingKeyFilter) -> String {
    match filter {
        RoutingKeyFilter::Exact(key) | RoutingKeyFilter::Prefix(key) => key.clone(),
    }
}

/// The parameters that are set.
fn query<const N: usize>(parameters: [(&'static str, Option<String>); N]) -> Vec<(&'static str, String)> {
    parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What a page of a list has.
pub(super) fn items(page: Option<Value>) -> anyhow::Result<Vec<Value>> {
    let items = page.and_then(|mut page| page.get_mut("items").map(Value::take));
    match items {
        Some(Value::Array(items)) => Ok(items),
        _ => None.context("the answer is no page of items: is this a warren, and of this version?"),
    }
}
