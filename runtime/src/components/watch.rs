//! Follows the store: what is new, changed or gone; and looks in the background at what no task has asked for.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use event_driven::names::TaskName;
use tokio_util::sync::CancellationToken;

use super::{
    Found, Inner, StoreError, Stored,
    entry::{Entry, Known},
    load::Asked,
};

/// How long one that could not be had is left alone by who looks at it for nobody: trying may be dear.
const PATIENCE: Duration = Duration::from_secs(15);

/// Lists the store every scan.
pub(super) async fn scan<P: Send + Sync + 'static>(inner: Arc<Inner<P>>, stop: CancellationToken) {
    let mut unreadable = false;
    // A scan that is cut off is begun anew at the next start: nothing is half done, a component is put in place whole.
    while stop.run_until_cancelled(tokio::time::sleep(inner.keep.scan)).await.is_some() {
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

/// Looks at what is new, one after the other.
pub(super) async fn look<P: Send + Sync + 'static>(inner: Arc<Inner<P>>, stop: CancellationToken) {
    let (mut unavailable, mut tried) = (Vec::new(), Instant::now());
    loop {
        let again = tried.elapsed() >= PATIENCE;
        if again {
            tried = Instant::now();
        }
        let looked = inner.look_at_all(&mut unavailable, again);
        if stop.run_until_cancelled(looked).await.is_none() {
            return;
        }
        if !inner.is_settled.swap(true, Ordering::Relaxed) {
            inner.tell_all();
        }
        // What has arrived meanwhile has left a permit.
        if stop.run_until_cancelled(inner.arrived.notified()).await.is_none() {
            return;
        }
    }
}

impl<P: Send + Sync + 'static> Inner<P> {
    /// Takes up what is new or changed, forgets what is gone.
    pub(super) async fn refresh(&self) -> Result<(), StoreError> {
        let stored = self.store.list().await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let listed: std::collections::HashSet<_> = stored.iter().map(|stored| stored.name.clone()).collect();
        known.retain(|name, _| {
            let stays = listed.contains(name);
            if !stays {
                tracing::info!(component.name = %name, "component {name} is gone");
            }
            stays
        });
        for stored in stored {
            take_up(&mut known, stored);
        }
        let unseen = known.values().any(|known| !known.newest().is_seen());
        drop(known);
        if unseen {
            self.arrived.notify_one();
        }
        // What nobody had looked at may be gone.
        self.looked_at.notify_waiters();
        Ok(())
    }

    /// Takes up what the store has of that name now.
    pub(super) async fn refresh_one(&self, name: &TaskName) -> Result<(), StoreError> {
        if let Some(stored) = self.store.head(name).await? {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            take_up(&mut known, stored);
        }
        Ok(())
    }

    /// `unavailable` has the names of those that could not be had, before and after: each is told once, and left alone
    /// unless it is to be tried `again`.
    async fn look_at_all(&self, unavailable: &mut Vec<TaskName>, again: bool) {
        let told = if again { std::mem::take(unavailable) } else { Vec::new() };
        while let Some(entry) = self.next_unseen(unavailable) {
            if let Found::Unavailable(reason) = self.load(&entry, Asked::ByNobody).await {
                let name = &entry.stored.name;
                if !told.contains(name) {
                    tracing::warn!(component.name = %name, "component {name} can't be looked at now, and will be again: {reason}");
                }
                unavailable.push(name.clone());
            }
        }
    }

    /// The newest of those that nobody has looked at: most likely its author waits to hear of it.
    pub(super) fn next_unseen(&self, but: &[TaskName]) -> Option<Arc<Entry<P>>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let unseen = known.values().map(Known::newest).filter(|entry| !entry.is_seen());
        let unseen = unseen.filter(|entry| !but.contains(&entry.stored.name));
        unseen.max_by_key(|entry| entry.stored.modified).cloned()
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

fn take_up<P>(known: &mut HashMap<TaskName, Known<P>>, stored: Stored) {
    match known.get_mut(&stored.name) {
        Some(known) => known.take_up(stored),
        None => drop(known.insert(stored.name.clone(), Known::new(Arc::new(Entry::new(stored, None))))),
    }
}
