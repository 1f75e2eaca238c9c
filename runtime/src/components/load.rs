//! Makes a component ready: its signature, its manifest, its code from the cache or the compiler, a place in memory.
//!
//! The signature comes first, where one is required: of what nobody vouches for, nothing is understood, compiled, or taken from
//! the cache. What was hashed for it is what is compiled; the file is not read a second time.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use bytesize::ByteSize;
use event_driven::names::TaskName;

use super::{
    Component, Digest, Found, Inner, Link, Statement, StoreError,
    entry::{Broken, Cause, Entry, Papers},
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
    /// Until it is changed, too; but nobody vouches for that it should be there: what is in use stays in use.
    Refused(Arc<str>),
    /// It may be had at another time: what is in use stays in use, and it is tried again.
    Passing {
        reason: Arc<str>,
        /// How long it is not worth while to try.
        rest: Duration,
    },
}

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 2000;

/// How long tasks that come meanwhile are not worth another try, where nothing has to be repaired first.
const REST: Duration = Duration::from_secs(1);

/// The same where something in the store has to be repaired, which the listing shows: a pushed file that is damaged or gone.
const REST_OF_DAMAGE: Duration = Duration::from_secs(15);

impl Trouble {
    fn of_manifest(reason: String) -> Self {
        Self::Lasting(Broken { reason: bounded(reason), cause: Cause::Manifest })
    }

    fn passing(reason: String) -> Self {
        Self::Passing { reason: bounded(reason), rest: REST }
    }

    fn of_store(what: &str, error: &StoreError) -> Self {
        let rest = if error.may_pass() { REST } else { REST_OF_DAMAGE };
        Self::Passing { reason: bounded(format!("{what} can't be read: {error}")), rest }
    }

    fn refused(reason: String) -> Self {
        Self::Refused(bounded(reason))
    }

    fn of_code(reason: String) -> Self {
        Self::Lasting(Broken { reason: bounded(reason), cause: Cause::Code })
    }
}

/// A reason goes into the rows of all tasks that find it, and names in it are a stranger's.
fn bounded(reason: String) -> Arc<str> {
    if reason.chars().nth(MAX_REASON).is_none() {
        return reason.into();
    }
    reason.chars().take(MAX_REASON).chain(['…']).collect::<String>().into()
}

impl<P: Send + Sync + 'static> Inner<P> {
    /// Loads it, or waits for who does. Cancel-safe: another one who waits begins anew.
    pub(super) async fn load(&self, entry: &Arc<Entry<P>>, asked: Asked) -> Found<P> {
        let _one_at_a_time = entry.loading.lock().await;
        if let Some(found) = entry.found(self.now()) {
            return found;
        }
        // One that waited for the same learns the same.
        if let Some(reason) = entry.missed().filter(|_| asked == Asked::ByTask) {
            return Found::Unavailable(reason);
        }
        let found = match self.make(entry, asked).await {
            Ok(component) => {
                let component = Arc::new(component);
                entry.ready(component.clone(), self.now());
                Found::Ready(component)
            }
            Err(Trouble::Lasting(broken)) => {
                let reason = broken.reason.clone();
                entry.broken(broken);
                Found::Broken(reason)
            }
            Err(Trouble::Refused(reason)) => return self.refuse(entry, reason),
            Err(Trouble::Passing { reason, rest }) => {
                if entry.miss(reason.clone(), rest) {
                    let name = &entry.stored.name;
                    tracing::warn!(component.name = %name, "component {name} can't be had now, and is tried again: {reason}");
                }
                return Found::Unavailable(reason);
            }
        };
        if !entry.see() {
            self.tell(entry, &found);
        }
        self.promote(entry);
        self.make_room(entry, asked);
        self.looked_at.notify_waiters();
        found
    }

    /// What the store had last, if that is another one than this; else, or where that is refused, what was found before.
    pub(super) async fn newer_or(&self, name: &TaskName, than: Option<&Arc<Entry<P>>>, found: Found<P>) -> Found<P> {
        let Some(newer) = self.newer(name, than) else { return found };
        let answer = self.load(&newer, Asked::ByTask).await;
        // Tasks would fail for good because of what nobody vouches for.
        let is_no_answer = newer.is_refused() && matches!(found, Found::Unavailable(_));
        if is_no_answer { found } else { answer }
    }

    /// Does not let it take the place of what is in use.
    fn refuse(&self, entry: &Entry<P>, reason: Arc<str>) -> Found<P> {
        entry.broken(Broken { reason: reason.clone(), cause: Cause::Refused });
        entry.see();
        if entry.told.as_ref() != Some(&reason) {
            let name = &entry.stored.name;
            let version =
                entry.stored.version().map_or_else(String::new, |record| format!("version {} of ", record.number));
            let has_other = self.wanted(name).is_some_and(|current| !std::ptr::eq(&*current, entry));
            let stays = if has_other { ", the one in use stays in use" } else { "" };
            tracing::warn!(component.name = %name, "{version}component {name} is refused{stays}: {reason}");
        }
        self.looked_at.notify_waiters();
        Found::Broken(reason)
    }

    async fn make(&self, entry: &Entry<P>, asked: Asked) -> Result<Component<P>, Trouble> {
        let papers = entry.papers.get_or_try_init(|| self.papers(entry)).await?;
        let cached = match entry.digest() {
            Some(digest) => {
                self.ensure_signed(entry, papers, digest)?;
                // Before the file is read: it costs nothing.
                self.link(entry, papers).await?;
                self.compiler.cached(digest).await.map(|compiled| (digest.clone(), compiled))
            }
            None => None,
        };
        let (digest, compiled) = match cached {
            Some(cached) => cached,
            None => self.compile(entry, papers, asked).await?,
        };
        let link = self.link(entry, papers).await?;
        let program = link(&compiled).map_err(Trouble::of_code)?;
        let image = compiled.image_range();
        let code = image.end.addr().saturating_sub(image.start.addr()) as u64;
        Ok(Component { name: entry.stored.name.clone(), digest, program: Arc::new(program), code })
    }

    async fn papers(&self, entry: &Entry<P>) -> Result<Papers, Trouble> {
        let (store, stored) = (&self.store, &entry.stored);
        let signature = match store.signers().are_required() {
            true => match store.signature(stored).await {
                Ok(signature) => signature,
                Err(error @ StoreError::NoSignature { .. }) => return Err(Trouble::refused(error.to_string())),
                Err(error) => return Err(Trouble::of_store("its signature", &error)),
            },
            false => None,
        };
        let manifest = match store.manifest(stored).await {
            Ok(text) => text,
            Err(error @ StoreError::NoManifest { .. }) if store.signers().are_required() => {
                return Err(Trouble::refused(error.to_string()));
            }
            Err(error @ StoreError::NoManifest { .. }) => return Err(Trouble::of_manifest(error.to_string())),
            Err(error) => return Err(Trouble::of_store("its manifest", &error)),
        };
        Ok(Papers { manifest, signature })
    }

    fn ensure_signed(&self, entry: &Entry<P>, papers: &Papers, digest: &Digest) -> Result<(), Trouble> {
        let signers = self.store.signers();
        if !signers.are_required() {
            return Ok(());
        }
        let statement = Statement::new(&entry.stored.name, digest, papers.manifest.as_deref());
        let signed = signers.ensure(&statement, papers.signature.as_ref());
        signed.map_err(|error| Trouble::refused(error.to_string()))
    }

    async fn link<'a>(&self, entry: &'a Entry<P>, papers: &Papers) -> Result<&'a Link<P>, Trouble> {
        let prepared =
            async || (self.prepare)(Some(&entry.stored.name), papers.manifest.as_deref()).map_err(Trouble::of_manifest);
        entry.link.get_or_try_init(prepared).await
    }

    async fn compile(
        &self,
        entry: &Entry<P>,
        papers: &Papers,
        asked: Asked,
    ) -> Result<(Digest, wasmtime::component::Component), Trouble> {
        let is_required = self.store.signers().are_required();
        if !is_required {
            self.link(entry, papers).await?;
        }
        // Nobody vouches for a file that is not read: neither for its size, nor for what the store says of that.
        let too_large = |error: String| if is_required { Trouble::refused(error) } else { Trouble::of_code(error) };
        // Before it is read: it may be of any size.
        self.compiler.check_size(entry.stored.size).map_err(|error| too_large(error.to_string()))?;
        // What nobody waits for takes one of the compiler's places at most.
        let _turn = match asked {
            Asked::ByNobody => self.background.acquire().await.ok(),
            Asked::ByTask => None,
        };
        // Before it is read, too: files that wait to be compiled would fill the memory.
        let _place = self.reading.acquire().await;
        let bytes = match self.store.read(&entry.stored).await {
            Ok(bytes) => bytes,
            Err(error @ StoreError::TooLarge { .. }) => return Err(too_large(error.to_string())),
            Err(error) => return Err(Trouble::of_store("it", &error)),
        };
        if is_required {
            let digest = Digest::of_file(bytes.clone()).await;
            self.ensure_signed(entry, papers, &digest)?;
            entry.note_digest(digest);
            self.link(entry, papers).await?;
        }
        self.compiler.compile(bytes).await.map_err(|error| match error.may_pass() {
            true => Trouble::passing(error.to_string()),
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
