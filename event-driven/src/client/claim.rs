//! Keeps a queue to one handler: two would get half of its messages each, which nobody means.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Client, Shared, StartError};

/// The queues that have a handler.
#[derive(Debug, Default)]
pub(super) struct Handled(Mutex<BTreeSet<String>>);

impl Handled {
    fn queues(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to be the handler of a queue. Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    shared: Arc<Shared>,
    queue: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.shared.handled.queues().remove(&self.queue);
    }
}

impl Client {
    /// The right to be the handler of a queue.
    ///
    /// # Errors
    /// If it has one, or nothing is consumed any more.
    pub(crate) fn claim(&self, queue: &str) -> Result<Claim, StartError> {
        if self.shared.stop.is_cancelled() {
            return Err(StartError::Stopped);
        }
        match self.shared.handled.queues().insert(queue.to_owned()) {
            true => Ok(Claim { shared: Arc::clone(&self.shared), queue: queue.to_owned() }),
            false => Err(StartError::Handled { queue: queue.to_owned() }),
        }
    }
}
