//! A handler that a test holds until it lets it go.

use std::sync::Arc;

use event_driven::{
    names::EventType,
    publisher::Publisher,
    subscriber::{Delivery, Handler, HandlerError},
};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

use crate::service::key;

#[derive(Debug, Deserialize)]
pub struct User {
    pub user_id: u64,
}

/// Publishes users 0 to `count`.
pub async fn publish_users(publisher: &Publisher, count: u64) {
    for user_id in 0..count {
        publisher.event_of(&key(EventType::Create, "user"), &json!({ "user_id": user_id })).await.unwrap();
    }
}

/// Tells of each user that begins, and ends when it is let.
pub struct Held {
    begun: mpsc::UnboundedSender<u64>,
    let_go: Arc<Semaphore>,
}

impl Handler<User> for Held {
    async fn handle(&self, user: User, _: &Delivery) -> Result<(), HandlerError> {
        self.begun.send(user.user_id).map_err(HandlerError::technical)?;
        self.let_go.acquire().await.map_err(HandlerError::technical)?.forget();
        Ok(())
    }
}

/// A handler that holds what it gets, what it tells, and the permits that let go.
pub fn held() -> (Held, mpsc::UnboundedReceiver<u64>, Arc<Semaphore>) {
    let (begun, begins) = mpsc::unbounded_channel();
    let let_go = Arc::new(Semaphore::new(0));
    (Held { begun, let_go: Arc::clone(&let_go) }, begins, let_go)
}
