//! Who waits for a reply.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::super::{Publish, PublishError};

/// Most that wait at once: forgotten ones are cleared away then.
const TIDY_AT: usize = 1_024;

/// Waiters by the name of their queue.
#[derive(Debug, Default)]
pub(super) struct Replies {
    waiters: HashMap<String, oneshot::Sender<Publish>>,
}

impl Replies {
    pub(super) fn wait(&mut self, queue: &str) -> oneshot::Receiver<Publish> {
        if self.waiters.len() >= TIDY_AT {
            self.waiters.retain(|_, waiter| !waiter.is_closed());
        }
        let (waiter, answer) = oneshot::channel();
        self.waiters.insert(queue.to_owned(), waiter);
        answer
    }

    /// As RabbitMQ returns what no queue takes, an error if nobody waits.
    pub(super) fn answer(&mut self, queue: &str, reply: Publish) -> Result<(), PublishError> {
        let unroutable = || PublishError::Unroutable { exchange: String::new(), routing_key: queue.to_owned() };
        self.waiters.remove(queue).and_then(|waiter| waiter.send(reply).ok()).ok_or_else(unroutable)
    }
}
