//! Whether RabbitMQ can be used at this moment.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// Whether messages can come in and go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Yes.
    Connected,
    /// No, for this reason; it is tried again.
    Disconnected(Arc<str>),
}

/// What is wrong, by the part that noticed it; healthy when nothing is.
#[derive(Debug)]
pub(super) struct HealthBoard {
    troubles: Mutex<BTreeMap<String, Arc<str>>>,
    health: watch::Sender<Health>,
}

impl HealthBoard {
    pub(super) fn new() -> Self {
        Self { troubles: Mutex::default(), health: watch::Sender::new(Health::Connected) }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// `part` can't work.
    pub(super) fn trouble(&self, part: &str, reason: &str) {
        self.change(|troubles| {
            troubles.insert(part.to_owned(), reason.into());
        });
    }

    /// `part` works.
    pub(super) fn well(&self, part: &str) {
        self.change(|troubles| {
            troubles.remove(part);
        });
    }

    /// The reason, if something is wrong.
    pub(super) fn reason(&self) -> Option<String> {
        match &*self.health.borrow() {
            Health::Connected => None,
            Health::Disconnected(reason) => Some(reason.to_string()),
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Arc<str>>)) {
        // Nothing in here panics while it holds the lock; if something did, the board would still be right.
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut troubles);
        let now = troubles.values().next().map_or(Health::Connected, |reason| Health::Disconnected(reason.clone()));
        self.health.send_if_modified(|health| {
            let changed = *health != now;
            *health = now;
            changed
        });
    }
}
