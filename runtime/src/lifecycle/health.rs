//! Whether rows can be written at the moment.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

/// What the recorder's writers have to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The last statement of each writer was answered.
    Healthy,
    /// A writer is trying again; nothing is lost, nothing is answered. Says what the database said.
    Unhealthy(String),
}

/// Joins the health of several writers into one signal.
#[derive(Debug)]
pub(super) struct HealthBoard {
    /// What each writer that is in trouble says, by its name.
    troubles: Mutex<BTreeMap<&'static str, String>>,
    signal: watch::Sender<Health>,
}

impl HealthBoard {
    pub(super) fn new() -> Self {
        Self { troubles: Mutex::default(), signal: watch::Sender::new(Health::Healthy) }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Health> {
        self.signal.subscribe()
    }

    /// `writer` has trouble, or (`None`) none any more. Who watches is told of changes only.
    pub(super) fn report(&self, writer: &'static str, trouble: Option<String>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = match trouble {
            Some(trouble) => troubles.insert(writer, trouble.clone()) != Some(trouble),
            None => troubles.remove(writer).is_some(),
        };
        if changed {
            let health = match troubles.values().next() {
                Some(trouble) => Health::Unhealthy(trouble.clone()),
                None => Health::Healthy,
            };
            self.signal.send_replace(health);
        }
    }
}
