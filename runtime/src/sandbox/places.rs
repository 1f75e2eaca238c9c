//! How many executions of one component there are at once: counted over all its versions.
//!
//! A push puts another version into use while tasks of the one before still run, and a component that may run once must not
//! run twice for that. Versions share their places if they have the same number of them. Where a push changes the number,
//! each counts its own until the tasks of the older one have ended.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use event_driven::names::TaskName;

use super::slots::Slots;

/// The places of all components, as long as a version of theirs is known or a task of theirs runs.
#[derive(Default)]
pub(super) struct Places(Mutex<HashMap<(TaskName, u32), Weak<Slots>>>);

impl Places {
    /// Those of the component whose versions may be executed so often at once.
    pub(super) fn of(&self, name: &TaskName, concurrency: u32) -> Arc<Slots> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, places| places.strong_count() > 0);
        let key = (name.clone(), concurrency);
        shared.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let places = alone(concurrency);
            shared.insert(key, Arc::downgrade(&places));
            places
        })
    }
}

/// Places that are shared with nobody.
pub(super) fn alone(concurrency: u32) -> Arc<Slots> {
    Arc::new(Slots::new(concurrency))
}
