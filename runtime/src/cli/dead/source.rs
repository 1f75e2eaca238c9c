//! Where dead letters are: on the RabbitMQ of the settings, or behind the HTTP interface of a running warren where none is set.

use std::{cell::RefCell, time::Duration};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    cli::client::Client,
    config::Config,
    dead_letters::{Action, Bounds, Changed, DeadLetters, Filter, Letter, Walked},
};

/// How long a running warren may go through its dead letters, and more.
const WAIT: Duration = Duration::from_secs(60);

/// The most that a running warren lists at once.
const LISTED: usize = 1_000;

/// The most that it changes at once.
const CHANGED: usize = 10_000;

pub(super) enum Source {
    RabbitMq(DeadLetters),
    Http(Client),
}

impl Source {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        if config.broker.url.is_empty() {
            return Ok(Self::Http(Client::new(config)?));
        }
        Ok(Self::RabbitMq(DeadLetters::open(&config.to_connection("dead")?).await?))
    }

    pub(super) async fn list(&self, queues: &[String], filter: &Filter, limit: usize) -> anyhow::Result<Vec<Letter>> {
        let client = match self {
            Self::RabbitMq(dead_letters) => {
                return Ok(walk(dead_letters, queues, filter, limit, Action::Look).await?.letters);
            }
            Self::Http(client) => client,
        };
        let mut letters: Vec<Letter> = Vec::new();
        for queue in queues {
            let left = limit.saturating_sub(letters.len()).min(LISTED);
            if left == 0 {
                break;
            }
            let mut query = vec![("queue", queue.clone()), ("limit", left.to_string())];
            query.extend(filter.class.clone().map(|class| ("reason", class)));
            query.extend(filter.task_name.clone().map(|name| ("component", name)));
            query.extend(older_than(filter).map(|time| ("older_than", time)));
            let page = client.get_patiently("/v1/dead-letters", &query, WAIT).await?;
            let items = page.and_then(|mut page| page.get_mut("items").map(Value::take));
            let items = items.context("the answer lists no dead letters: is this a warren, and of this version?")?;
            letters.extend(serde_json::from_value::<Vec<Letter>>(items)?);
        }
        Ok(letters)
    }

    /// The letter with all that it says.
    pub(super) async fn show(&self, queues: &[String], id: &str) -> anyhow::Result<Option<Value>> {
        match self {
            Self::RabbitMq(dead_letters) => {
                let filter = Filter { ids: vec![id.to_owned()], ..Filter::default() };
                let walked = walk(dead_letters, queues, &filter, 1, Action::Look).await?;
                let (Some(letter), Some(last)) = (walked.letters.first(), walked.last) else { return Ok(None) };
                let mut shown = json!(letter);
                if let Some(shown) = shown.as_object_mut() {
                    shown.insert("headers".to_owned(), json!(last.headers()));
                    shown.insert("body".to_owned(), last.body());
                }
                Ok(Some(shown))
            }
            Self::Http(client) => {
                for queue in queues {
                    let (path, query) = (format!("/v1/dead-letters/{id}"), [("queue", queue.clone())]);
                    if let Some(letter) = client.get_patiently(&path, &query, WAIT).await? {
                        return Ok(Some(letter));
                    }
                }
                Ok(None)
            }
        }
    }

    pub(super) async fn change(
        &self,
        queues: &[String],
        filter: &Filter,
        limit: Option<usize>,
        action: Action,
    ) -> anyhow::Result<Changed> {
        let client = match self {
            Self::RabbitMq(dead_letters) => {
                let walked = walk(dead_letters, queues, filter, limit.unwrap_or(usize::MAX), action).await?;
                return Ok(walked.into());
            }
            Self::Http(client) => client,
        };
        let path = match action {
            Action::Discard => "/v1/dead-letters/discard",
            Action::Retry | Action::Look => "/v1/dead-letters/retry",
        };
        let mut changed = Changed::default();
        for queue in queues {
            let left = limit.map(|limit| limit.saturating_sub(changed.done));
            if left == Some(0) {
                break;
            }
            let body = json!({
                "ids": (!filter.ids.is_empty()).then_some(&filter.ids), "queue": queue, "reason": filter.class,
                "component": filter.task_name, "older_than": older_than(filter), "limit": left.map(|left| left.min(CHANGED)),
                "all": filter.takes_all(),
            });
            changed.add(serde_json::from_value(client.post(path, &body, WAIT).await?)?);
        }
        Ok(changed)
    }
}

fn older_than(filter: &Filter) -> Option<String> {
    filter.older_than.map(|time| humantime::format_duration(time).to_string())
}

/// With a bar that shows how far it is.
async fn walk(
    dead_letters: &DeadLetters,
    queues: &[String],
    filter: &Filter,
    limit: usize,
    action: Action,
) -> anyhow::Result<Walked> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:40} {pos} of {len}, {eta} left") {
        bar.set_style(style);
    }
    let shown = RefCell::new(String::new());
    let progress = |queue: &str, seen, count| {
        if *shown.borrow() != queue {
            *shown.borrow_mut() = queue.to_owned();
            bar.set_prefix(queue.to_owned());
        }
        bar.set_length(count);
        bar.set_position(seen);
    };
    let bounds = Bounds { letters: limit, until: None };
    let walked = dead_letters.walk(queues, filter, bounds, action, progress).await;
    bar.finish_and_clear();
    walked.context("the dead letters can't be read")
}
