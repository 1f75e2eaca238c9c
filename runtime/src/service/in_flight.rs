//! Which tasks this runtime is working on: a second delivery of one waits for the first to be over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;
use uuid::Uuid;

/// Who waits for a task, each to be woken by the drop of the other half.
type Waiting = Vec<oneshot::Sender<()>>;

/// The ids of the tasks that are being worked on. The lock is held for one look at the map, never across an await; the
/// map has at most one entry for each unsettled delivery. Hardly ever does one wait: then nothing is allocated but the entry.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<Uuid, Waiting>>>);

/// The right to work on one task; given up when it is dropped.
pub(super) struct Claim {
    id: Uuid,
    in_flight: InFlight,
    waited: bool,
}

impl InFlight {
    /// Claims `id`, waiting until nobody else works on it. Cancel-safe.
    pub(super) async fn claim(&self, id: Uuid) -> Claim {
        let mut waited = false;
        loop {
            let over = match self.claim_or_wait(id) {
                Ok(mut claim) => {
                    claim.waited = waited;
                    return claim;
                }
                Err(over) => over,
            };
            // Nothing is ever sent: this ends with an error when the claim is dropped.
            let _ = over.await;
            waited = true;
        }
    }

    /// Claims `id`, unless somebody else works on it.
    pub(super) fn try_claim(&self, id: Uuid) -> Option<Claim> {
        let mut claims = self.claims();
        if claims.contains_key(&id) {
            return None;
        }
        claims.insert(id, Waiting::new());
        Some(self.claimed(id))
    }

    fn claim_or_wait(&self, id: Uuid) -> Result<Claim, oneshot::Receiver<()>> {
        let mut claims = self.claims();
        let Some(waiting) = claims.get_mut(&id) else {
            claims.insert(id, Waiting::new());
            return Ok(self.claimed(id));
        };
        let (wake, over) = oneshot::channel();
        // Who has given up meanwhile.
        waiting.retain(|wake| !wake.is_closed());
        waiting.push(wake);
        Err(over)
    }

    fn claimed(&self, id: Uuid) -> Claim {
        Claim { id, in_flight: self.clone(), waited: false }
    }

    /// All ids that are claimed now.
    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.claims().keys().copied().collect()
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<Uuid, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// The task that is claimed.
    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    /// Whether someone else was working on it before.
    pub(super) fn waited(&self) -> bool {
        self.waited
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let waiting = self.in_flight.claims().remove(&self.id);
        // Woken when the lock is free.
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_claim_waits_for_the_first() {
        let (in_flight, id) = (InFlight::default(), Uuid::now_v7());
        let first = in_flight.claim(id).await;
        let second = tokio::spawn({
            let in_flight = in_flight.clone();
            async move { drop(in_flight.claim(id).await) }
        });
        drop(in_flight.claim(Uuid::now_v7()).await);
        // The second one runs until it waits.
        tokio::task::yield_now().await;
        assert_eq!(in_flight.ids(), [id]);
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap();
        assert!(in_flight.ids().is_empty());
    }
}
