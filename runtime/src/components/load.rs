//! Makes a component ready: its manifest, its code from the cache or the compiler, a place in memory.

use std::sync::{Arc, PoisonError};

use bytesize::ByteSize;

use super::{
    Component, Digest, Found, Inner, Link, StoreError, Stored,
    entry::{Broken, Entry},
};

/// For whom a component is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A task waits for it: others make room.
    ByTask,
    /// Nobody: it stays if there is room.
    ByNobody,
}

/// Why a component is not ready.
enum Trouble {
    /// Until it is changed.
    Lasting(Broken),
    /// It may be had at another time: what is in use stays in use, and it is tried again.
    Passing(Arc<str>),
}

impl Trouble {
    fn of_manifest(reason: impl Into<Arc<str>>) -> Self {
        Self::Lasting(Broken { reason: reason.into(), of_manifest: true })
    }

    fn of_code(reason: impl Into<Arc<str>>) -> Self {
        Self::Lasting(Broken { reason: reason.into(), of_manifest: false })
    }
}

impl<P: Send + Sync + 'static> Inner<P> {
    /// Loads it, or waits for who does. Cancel-safe: another one who waits begins anew.
    pub(super) async fn load(&self, entry: &Arc<Entry<P>>, asked: Asked) -> Found<P> {
        let _one_at_a_time = entry.loading.lock().await;
        if let Some(found) = entry.found(self.now()) {
            return found;
        }
        match self.make(entry).await {
            Ok(component) => entry.ready(Arc::new(component)),
            Err(Trouble::Lasting(broken)) => entry.broken(broken),
            Err(Trouble::Passing(reason)) => return Found::Unavailable(reason),
        }
        let Some(found) = entry.found(self.now()) else { return Found::Missing };
        if !entry.see() {
            self.tell(entry, &found);
        }
        self.promote(entry);
        self.make_room(entry, asked);
        self.looked_at.notify_waiters();
        found
    }

    async fn make(&self, entry: &Entry<P>) -> Result<Component<P>, Trouble> {
        let stored = &entry.stored;
        let link = entry.link.get_or_try_init(|| self.link(stored)).await?;
        let cached = match entry.digest() {
            Some(digest) => self.compiler.cached(digest).await.map(|compiled| (digest.clone(), compiled)),
            None => None,
        };
        let (digest, compiled) = match cached {
            Some(cached) => cached,
            None => self.compile(stored).await?,
        };
        let program = link(&compiled).map_err(Trouble::of_code)?;
        let image = compiled.image_range();
        let code = image.end.addr().saturating_sub(image.start.addr()) as u64;
        Ok(Component { name: stored.name.clone(), digest, program: Arc::new(program), code })
    }

    async fn link(&self, stored: &Stored) -> Result<Link<P>, Trouble> {
        let text = match self.store.manifest(stored).await {
            Ok(text) => text,
            Err(error @ StoreError::NoManifest { .. }) => return Err(Trouble::of_manifest(error.to_string())),
            Err(error) => return Err(Trouble::Passing(format!("its manifest can't be read: {error}").into())),
        };
        (self.prepare)(text.as_deref()).map_err(Trouble::of_manifest)
    }

    async fn compile(&self, stored: &Stored) -> Result<(Digest, wasmtime::component::Component), Trouble> {
        // Before it is read: it may be of any size.
        self.compiler.check_size(stored.size).map_err(|error| Trouble::of_code(error.to_string()))?;
        let bytes = match self.store.read(stored).await {
            Ok(bytes) => bytes,
            Err(error @ StoreError::TooLarge { .. }) => return Err(Trouble::of_code(error.to_string())),
            Err(error) => return Err(Trouble::Passing(format!("it can't be read: {error}").into())),
        };
        self.compiler.compile(bytes).await.map_err(|error| match error.may_pass() {
            true => Trouble::Passing(error.to_string().into()),
            false => Trouble::of_code(error.to_string()),
        })
    }

    /// Says what was found in a version that is new.
    fn tell(&self, entry: &Entry<P>, found: &Found<P>) {
        let (name, size) = (&entry.stored.name, ByteSize(entry.stored.size));
        match found {
            Found::Ready(component) if self.is_settled() => {
                tracing::info!(component.name = %name, component.digest = %component.digest, "component {name} is ready ({size})");
            }
            Found::Ready(component) => {
                tracing::debug!(component.name = %name, component.digest = %component.digest, "component {name} is ready ({size})");
            }
            Found::Broken(reason) if entry.told.as_ref() != Some(reason) => {
                tracing::warn!(component.name = %name, "component {name} can't be used: {reason}");
            }
            Found::Broken(_) | Found::Unavailable(_) | Found::Missing => {}
        }
    }

    /// From now on it is the one in use, if it was to be.
    fn promote(&self, entry: &Arc<Entry<P>>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(&entry.stored.name)
            && known.coming.as_ref().is_some_and(|coming| Arc::ptr_eq(coming, entry))
        {
            known.current = entry.clone();
            known.coming = None;
        }
    }

    /// Keeps what is ready within its bound: lets go what was used least recently, or this one, if nobody waits for it.
    fn make_room(&self, entry: &Arc<Entry<P>>, asked: Asked) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let entries = known.values().flat_map(|known| known.entries());
        let mut ready: Vec<_> = entries.filter_map(|entry| Some((entry.used(), entry.code()?, entry))).collect();
        let mut bytes: u64 = ready.iter().map(|(_, code, _)| code).sum();
        let most = self.keep.memory.as_u64();
        if bytes <= most {
            return;
        }
        if asked == Asked::ByNobody {
            return entry.let_go();
        }
        ready.sort_unstable_by_key(|(used, ..)| *used);
        for (_, code, other) in ready.iter().filter(|(.., other)| !Arc::ptr_eq(other, entry)) {
            if bytes <= most {
                return;
            }
            other.let_go();
            bytes = bytes.saturating_sub(*code);
        }
    }
}
