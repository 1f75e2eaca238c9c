//! How an index is changed by many writers at once, with nothing but creation where nothing is.
//!
//! Each change is a new revision: the highest one is read, the next is made of it, and created under the next number, which
//! succeeds for one writer only; the others begin anew. The newest [`KEPT`] revisions stay, older ones are deleted by
//! whoever made a newer one. So a writer that was asleep for long might create a number that others have used and deleted
//! already. That is told by a look after the creation: revision r is deleted only after r + [`KEPT`] was created, and the
//! highest one is never deleted. If the highest is lower than that, r had never been there before; if not, it is not known,
//! and the writer begins anew.

use std::time::Duration;

use bytes::Bytes;
use event_driven::names::TaskName;
use futures_util::{StreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, path::Path};

use super::{
    StoreError, Versions,
    index::{FOLDER, path_of},
    place::Place,
};

/// Revisions of an index that stay. All who write to a store have to agree on it.
const KEPT: u32 = 3;

/// How often a change is begun anew. Of those who write at once one succeeds in each round.
const TRIES: u32 = 50;

/// What a change makes of an index.
pub(super) enum Step<T> {
    /// It is right already.
    Keep(T),
    /// This is the next one.
    Write(Versions, T),
}

impl Place {
    /// Makes an index of the newest one, and that the newest one; `step` is asked again each time that others were faster.
    pub(super) async fn change<T>(
        &self,
        name: &TaskName,
        step: impl Fn(Option<&Versions>) -> Result<Step<T>, StoreError>,
    ) -> Result<T, StoreError> {
        for attempt in 0..TRIES {
            let (revision, before) = self.in_time(self.versions_of(name)).await?.unzip();
            let (after, answer) = match step(before.as_ref())? {
                Step::Keep(answer) => return Ok(answer),
                Step::Write(after, answer) => (after, answer),
            };
            let revision = revision.unwrap_or_default().saturating_add(1);
            let (path, bytes) = (path_of(name, revision), after.to_json(name)?);
            if self.in_time(self.create(&path, bytes)).await? {
                let revisions = self.in_time(self.revisions_of(name)).await?;
                let highest = revisions.iter().copied().max().unwrap_or_default();
                if highest < revision.saturating_add(KEPT) {
                    // What is not deleted in time, the next writer tries again.
                    let deleted = async {
                        self.delete_old(name, &revisions, highest).await;
                        Ok(())
                    };
                    let _ = self.in_time(deleted).await;
                    return Ok(answer);
                }
            }
            tokio::time::sleep(pause(attempt)).await;
        }
        Err(StoreError::Contended { name: name.clone(), tries: TRIES })
    }

    /// Creates an object. `false`: there is one already, and it is another.
    async fn create(&self, path: &Path, bytes: Bytes) -> Result<bool, StoreError> {
        let put = self.objects.put_opts(path, PutPayload::from_bytes(bytes.clone()), PutMode::Create.into()).await;
        match put {
            Ok(_) => Ok(true),
            // It may be ours: a client that did not hear the answer has sent it again.
            Err(object_store::Error::AlreadyExists { .. }) => match self.objects.get(path).await {
                Ok(there) => Ok(there.bytes().await.map_err(|source| self.failed(source))? == bytes),
                Err(object_store::Error::NotFound { .. }) => Ok(false),
                Err(source) => Err(self.failed(source)),
            },
            Err(source) => Err(self.failed(source)),
        }
    }

    /// What can't be deleted now, the next writer tries again.
    async fn delete_old(&self, name: &TaskName, revisions: &[u32], highest: u32) {
        let old = revisions.iter().filter(|revision| revision.saturating_add(KEPT) <= highest);
        let paths: Vec<_> = old.map(|revision| Ok(path_of(name, *revision))).collect();
        let mut deleted = self.objects.delete_stream(stream::iter(paths).boxed());
        while let Some(deleted) = deleted.next().await {
            if let Err(error) = deleted {
                tracing::debug!(%error, "an old index of {name} stays for now: {error}");
            }
        }
    }

    /// That the store refuses to create what is there. Some that speak S3 pass over the condition, and would lose one of
    /// two changes that are made at once without a word.
    pub(super) async fn ensure_creates(&self) -> Result<(), StoreError> {
        if self.directory.is_some() {
            return Ok(());
        }
        let path = Path::from(format!("{FOLDER}/.conditional"));
        // The first one who ever pushes creates it; all others, and the second try, must be refused.
        for _ in 0..2 {
            let put = self.objects.put_opts(&path, PutPayload::new(), PutMode::Create.into());
            match self.in_time(async { Ok(put.await) }).await? {
                Ok(_) => {}
                Err(object_store::Error::AlreadyExists { .. }) => return Ok(()),
                Err(source) => return Err(self.failed(source)),
            }
        }
        Err(StoreError::NoConditionalPut { url: self.url.clone() })
    }

    /// Two whose names differ only in case would be one on a disk that does not tell them apart.
    pub(super) async fn ensure_no_twin(&self, name: &TaskName) -> Result<(), StoreError> {
        let names = self.indexed_names().await?.into_iter().chain(self.list_loose().await?.into_keys());
        let mut twins = names.filter(|other| other != name && other.as_str().eq_ignore_ascii_case(name.as_str()));
        match twins.next() {
            Some(twin) => Err(StoreError::Twin { name: name.clone(), twin }),
            None => Ok(()),
        }
    }
}

/// Those who collided should not do so again: up to 10 ms, and longer the more often it happens.
fn pause(attempt: u32) -> Duration {
    Duration::from_millis(rand::random_range(0..=10 * u64::from(attempt.min(10) + 1)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::{runtime::Handle, task::block_in_place};

    use super::*;
    use crate::components::{ComponentStore, Upload};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_writer_that_slept_while_others_used_and_deleted_its_number_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let store = ComponentStore::open(folder.path().to_str().unwrap()).unwrap();
        let name: TaskName = "work".parse().unwrap();
        let push = async |text: String| {
            let upload =
                Upload { bytes: text.into(), manifest: None, signature: None, by: String::new(), imports: Vec::new() };
            store.push(&name, upload).await.unwrap()
        };
        push("first".into()).await;
        let (asked, count) = (AtomicU32::new(0), |versions: &Versions| versions.all.len());
        let step = |before: Option<&Versions>| {
            if asked.fetch_add(1, Ordering::Relaxed) == 0 {
                let others = async {
                    for n in 0..2 * KEPT {
                        push(format!("other {n}")).await;
                    }
                };
                block_in_place(|| Handle::current().block_on(others));
                assert!(!folder.path().join("index/work/00000002.json").exists(), "its number is free again");
            }
            let mut versions = before.cloned().unwrap_or_default();
            versions.current = None;
            Ok(Step::Write(versions, ()))
        };
        store.place.change(&name, step).await.unwrap();
        assert_eq!(asked.into_inner(), 2);
        let (revision, versions) = store.place.versions_of(&name).await.unwrap().unwrap();
        assert_eq!((revision, count(&versions), versions.current), (2 + 2 * KEPT, 1 + 2 * KEPT as usize, None));
    }
}
