//! The rows that wait to be written: the newest state of each, and who wants to know when it is committed.
//!
//! Pure: no lock, no clock, no database. A state that is recorded before the earlier one was written takes its place, so
//! that a task which is over by then costs one row write and not two.

use std::collections::{HashMap, VecDeque, hash_map};

use uuid::Uuid;

use super::row::Row;

/// One row that waits.
#[derive(Debug)]
pub(super) struct Entry<R, W> {
    pub(super) row: R,
    /// Those of every state that was merged into the row.
    pub(super) waiters: Vec<W>,
}

/// All rows that wait, each id once.
#[derive(Debug)]
pub(super) struct Held<R, W> {
    entries: HashMap<Uuid, Entry<R, W>>,
    /// Whose turn it is. A row keeps its place when a newer state of it comes: no row waits for ever.
    order: VecDeque<Uuid>,
}

impl<R, W> Default for Held<R, W> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<R: Row, W> Held<R, W> {
    /// Takes a state in; true if no other of its id waited.
    pub(super) fn put(&mut self, row: R, waiter: Option<W>) -> bool {
        let id = row.id();
        match self.entries.entry(id) {
            hash_map::Entry::Occupied(mut held) => {
                held.get_mut().row.absorb(row);
                held.get_mut().waiters.extend(waiter);
                false
            }
            hash_map::Entry::Vacant(place) => {
                place.insert(Entry { row, waiters: waiter.into_iter().collect() });
                self.order.push_back(id);
                true
            }
        }
    }

    /// Whether a state of `id` waits.
    pub(super) fn contains(&self, id: Uuid) -> bool {
        self.entries.contains_key(&id)
    }

    /// How many rows wait.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The rows whose turn it is: at most `max_rows`, of `max_bytes` together or one that is larger. Sorted by id: two
    /// runtimes that write the same rows lock them in the same order, and can't deadlock.
    pub(super) fn take(&mut self, max_rows: usize, max_bytes: usize) -> Vec<Entry<R, W>> {
        let mut taken = Vec::with_capacity(max_rows.min(self.len()));
        let mut bytes = 0_usize;
        while let Some(id) = self.order.front()
            && taken.len() < max_rows
        {
            let Some(entry) = self.entries.get(id) else {
                self.order.pop_front();
                continue;
            };
            bytes = bytes.saturating_add(entry.row.size_bytes());
            if bytes > max_bytes && !taken.is_empty() {
                break;
            }
            taken.extend(self.order.pop_front().and_then(|id| self.entries.remove(&id)));
        }
        taken.sort_unstable_by_key(|entry: &Entry<R, W>| entry.row.id());
        taken
    }
}

#[cfg(test)]
mod tests;
