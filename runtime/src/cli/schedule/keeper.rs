//! Where schedules are kept: the database of the settings, or that of a running warren over HTTP where none is set. Rows come
//! as the same JSON either way.

use std::time::Duration;

use anyhow::{Context, bail};
use event_driven::names::TaskName;
use serde_json::{Value, json};

use crate::{
    api::ScheduleView,
    cli::reader::{Reader, items},
    config::Config,
    lifecycle::Added,
    schedule::Schedule,
};

/// As many come at once.
const PAGE: u64 = 1000;

pub(super) struct Keeper(Reader);

impl Keeper {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        Ok(Self(Reader::open(config).await?))
    }

    /// Gives the schedule as it is kept.
    pub(super) async fn add(&self, schedule: &Schedule, replace: bool) -> anyhow::Result<Value> {
        let name = schedule.name.as_str();
        match &self.0 {
            Reader::Database(database, _) => {
                if database.add_schedule(schedule, replace).await? == Added::Other {
                    bail!("there is another schedule {name}: --replace takes its place");
                }
                self.one(name).await?.with_context(|| format!("somebody has just removed schedule {name}"))
            }
            Reader::Http(client) => {
                let body = json!({
                    "cron": schedule.timetable.cron(), "time_zone": schedule.timetable.time_zone(),
                    "task_name": schedule.task_name.as_str(),
                    "payload": serde_json::from_str::<Value>(schedule.payload.as_str())?,
                });
                let path = format!("/v1/schedules/{name}");
                match replace {
                    true => client.put(&path, &body).await,
                    false => client.post(&path, &body, Duration::ZERO).await,
                }
            }
        }
    }

    pub(super) async fn all(&self) -> anyhow::Result<Vec<Value>> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().and_then(|last| last.get("name")).and_then(Value::as_str);
            let page = self.page(after).await?;
            let is_last = (page.len() as u64) < PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    async fn page(&self, after: Option<&str>) -> anyhow::Result<Vec<Value>> {
        match &self.0 {
            Reader::Database(database, _) => {
                let rows = database.list_schedules(PAGE, after).await?;
                rows.into_iter().map(|row| Ok(serde_json::to_value(ScheduleView::from(row))?)).collect()
            }
            Reader::Http(client) => {
                let mut query = vec![("limit", PAGE.to_string())];
                query.extend(after.map(|after| ("after", after.to_owned())));
                items(client.get("/v1/schedules", &query).await?)
            }
        }
    }

    /// With its payload. None if there is no such schedule.
    pub(super) async fn one(&self, name: &str) -> anyhow::Result<Option<Value>> {
        match &self.0 {
            Reader::Database(database, _) => {
                let row = database.find_schedule(name).await?;
                Ok(row.map(|row| serde_json::to_value(ScheduleView::from(row))).transpose()?)
            }
            Reader::Http(client) => match path(name) {
                Some(path) => client.get(&path, &[]).await,
                None => Ok(None),
            },
        }
    }

    /// Whether it was there.
    pub(super) async fn remove(&self, name: &str) -> anyhow::Result<bool> {
        match &self.0 {
            Reader::Database(database, _) => Ok(database.remove_schedule(name).await?),
            Reader::Http(client) => match path(name) {
                Some(path) => client.delete(&path).await,
                None => Ok(false),
            },
        }
    }
}

/// Where a schedule is; nowhere if nothing can have that name.
fn path(name: &str) -> Option<String> {
    Some(format!("/v1/schedules/{}", name.parse::<TaskName>().ok()?))
}
