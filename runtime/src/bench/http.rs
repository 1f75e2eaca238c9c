//! The way in where there is no RabbitMQ: the HTTP interface of the runtime under test.

use std::{sync::Arc, time::Duration};

use event_driven::message::{EventMessage, TaskRequest};
use serde_json::{Value, json, value::RawValue};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};

use super::BenchError;
use crate::tls;

/// Requests at once. What is due while all are under way waits for one of them, and that time counts.
const CONCURRENCY: usize = 128;

/// How long an outcome is waited for at once.
const WAIT: Duration = Duration::from_secs(60);

/// The HTTP interface of a runtime. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Http {
    base: Arc<str>,
    client: reqwest::Client,
}

impl Http {
    pub(super) fn new(base: &str) -> Result<Self, BenchError> {
        tls::install_ring();
        let client = reqwest::Client::builder().no_proxy().timeout(2 * WAIT).build();
        Ok(Self { base: base.into(), client: client.map_err(|error| BenchError::Http(error.to_string()))? })
    }

    /// Asks for a task and waits for its outcome, which is committed by then. Gives the task as it stands.
    pub(super) async fn task(&self, task: &TaskRequest) -> Result<Value, BenchError> {
        let payload: Result<Box<RawValue>, _> = RawValue::from_string(task.payload.as_str().to_owned());
        let body = json!({
            "task_name": task.task_name.as_str(), "payload": payload.map_err(|error| BenchError::Http(error.to_string()))?,
            "producer_app": task.producer_app.as_str(), "correlation_id": task.correlation_id.as_str(),
            "message_id": task.message_id.as_ref().map(|id| id.as_str()),
        });
        self.post(&format!("/v1/tasks?wait={}s", WAIT.as_secs()), &body).await
    }

    /// Publishes an event. It is stored a moment later.
    pub(super) async fn event(&self, event: &EventMessage) -> Result<(), BenchError> {
        let payload: Result<Box<RawValue>, _> = RawValue::from_string(event.payload.as_str().to_owned());
        let body = json!({
            "routing_key": event.routing_key, "payload": payload.map_err(|error| BenchError::Http(error.to_string()))?,
            "producer_app": event.producer_app.as_str(), "correlation_id": event.correlation_id.as_str(),
            "message_id": event.message_id.as_ref().map(|id| id.as_str()),
        });
        self.post("/v1/events", &body).await.map(drop)
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, BenchError> {
        let failed = |error: reqwest::Error| BenchError::Http(crate::causes::told(&error));
        let response = self.client.post(format!("{}{path}", self.base)).json(body).send().await.map_err(failed)?;
        let (status, body) = (response.status(), response.json::<Value>().await.map_err(failed)?);
        match status.is_success() {
            true => Ok(body),
            false => Err(BenchError::Http(format!("{status}: {body}"))),
        }
    }
}

/// Sends a request for each number that comes out of `due`, many at once, and tells of each what came of it. Ends when `due`
/// does; dropped, it takes all requests with it.
pub(super) async fn send_all<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    due: mpsc::Receiver<u64>,
    told: mpsc::Sender<T>,
    request: impl Fn(u64) -> F + Clone + Send + Sync + 'static,
) {
    let (due, mut workers) = (Arc::new(Mutex::new(due)), JoinSet::new());
    for _ in 0..CONCURRENCY {
        let (due, told, request) = (Arc::clone(&due), told.clone(), request.clone());
        workers.spawn(async move {
            loop {
                let next = due.lock().await.recv().await;
                let Some(n) = next else { break };
                // Nobody wants to know any more.
                if told.send(request(n).await).await.is_err() {
                    break;
                }
            }
        });
    }
    drop(told);
    while workers.join_next().await.is_some() {}
}
