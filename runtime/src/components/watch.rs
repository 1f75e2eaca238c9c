//! Follows the store: what is new, changed or gone; and looks in the background at what no task has asked for.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use event_driven::names::TaskName;
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Inner, StoreError, Stored,
    entry::{Entry, Known},
    load::Asked,
};

/// How long one that could not be had is left alone by who looks at it for nobody: trying may be dear.
const PATIENCE: Duration = Duration::from_secs(15);

/// Lists the store every scan, and when something was changed through this runtime.
pub(super) async fn scan<P: Send + Sync + 'static>(inner: Arc<Inner<P>>, stop: CancellationToken) {
    let mut unreadable = false;
    // A scan that is cut off is begun anew at the next start: nothing is half done, a component is put in place whole.
    while stop.run_until_cancelled(timeout(inner.keep.scan, inner.changed.notified())).await.is_some() {
        let Some(refreshed) = stop.run_until_cancelled(inner.refresh()).await else { return };
        match refreshed {
            Ok(()) => unreadable = false,
            Err(error) if !unreadable => {
                unreadable = true;
                tracing::warn!(%error, "the store of components can't be read; those already loaded stay in use: {error}");
            }
            Err(_told_before) => {}
        }
    }
}

/// What is looked at side by side: another version of what is in use does not wait behind what nobody has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Components that are new to this process.
    New,
    /// Versions that are to take the place of those in use.
    Coming,
}

/// Looks at what is new, one after the other.
pub(super) async fn look<P: Send + Sync + 'static>(inner: Arc<Inner<P>>, lane: Lane, stop: CancellationToken) {
    loop {
        if stop.run_until_cancelled(inner.look_at_all(lane)).await.is_none() {
            return;
        }
        if lane == Lane::New && !inner.is_settled.swap(true, Ordering::Relaxed) {
            inner.tell_all();
        }
        // What has arrived meanwhile has left a permit.
        if stop.run_until_cancelled(inner.arrived(lane).notified()).await.is_none() {
            return;
        }
    }
}

impl<P: Send + Sync + 'static> Inner<P> {
    /// Takes up what is new or changed, forgets what is gone.
    pub(super) async fn refresh(&self) -> Result<(), StoreError> {
        let begun = Instant::now();
        let stored = self.store.list().await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let listed: std::collections::HashSet<_> = stored.iter().map(|stored| stored.name.clone()).collect();
        known.retain(|name, known| {
            // What a task has found since is newer than the listing.
            let stays = listed.contains(name) || known.newest().arrived > begun;
            if !stays {
                tracing::info!(component.name = %name, "component {name} is gone");
            }
            stays
        });
        let now = Instant::now();
        for stored in stored {
            if known.get(&stored.name).is_none_or(|known| known.newest().arrived <= begun) {
                take_up(&mut known, stored, now);
            }
        }
        drop(known);
        for lane in [Lane::New, Lane::Coming] {
            if self.next_unseen(lane).is_some() {
                self.arrived(lane).notify_one();
            }
        }
        // What nobody had looked at may be gone.
        self.looked_at.notify_waiters();
        Ok(())
    }

    /// Takes up what the store has of that name now.
    pub(super) async fn refresh_one(&self, name: &TaskName) -> Result<(), StoreError> {
        if let Some(stored) = self.store.head(name).await? {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            take_up(&mut known, stored, Instant::now());
        }
        Ok(())
    }

    async fn look_at_all(&self, lane: Lane) {
        while let Some(entry) = self.next_unseen(lane) {
            self.load(&entry, Asked::ByNobody).await;
        }
    }

    /// Of those that nobody has looked at, and that are not left alone for a while, the one that came last: most likely its
    /// author waits to hear of it.
    fn next_unseen(&self, lane: Lane) -> Option<Arc<Entry<P>>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let entries = known.values().filter_map(|known| match lane {
            Lane::New => Some(&known.current),
            Lane::Coming => known.coming.as_ref(),
        });
        let unseen = entries.filter(|entry| !entry.is_seen() && !entry.was_missed_within(PATIENCE));
        unseen.max_by_key(|entry| (entry.arrived, entry.stored.modified)).cloned()
    }

    /// Whether everything was looked at.
    pub(super) fn is_all_seen(&self) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().flat_map(Known::entries).all(|entry| entry.is_seen())
    }

    fn arrived(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::New => &self.new_arrived,
            Lane::Coming => &self.coming_arrived,
        }
    }

    /// What there was at the start.
    fn tell_all(&self) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let usable =
            known.values().map(Known::newest).filter(|entry| entry.is_seen() && entry.listed().state.is_ok()).count();
        let took = Instant::now().duration_since(self.begun);
        tracing::info!(
            "{usable} components are ready, {} can't be used (looked at in {took:.1?})",
            known.len() - usable
        );
    }
}

fn take_up<P>(known: &mut HashMap<TaskName, Known<P>>, stored: Stored, now: Instant) {
    match known.get_mut(&stored.name) {
        Some(known) => known.take_up(stored, now),
        None => drop(known.insert(stored.name.clone(), Known::new(Arc::new(Entry::new(stored, now, None))))),
    }
}
