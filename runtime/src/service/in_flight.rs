//! Which tasks this runtime is working on: a second delivery of one waits for the first to be over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;
use uuid::Uuid;

/// The ids of the tasks that are being worked on. The lock is held for one look at the map, never across an await; the
/// map has at most one entry for each unsettled delivery.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<Uuid, watch::Receiver<()>>>>);

/// The right to work on one task; given up when it is dropped.
pub(super) struct Claim {
    id: Uuid,
    in_flight: InFlight,
    waited: bool,
    /// Dropped with the claim, which wakes all that wait.
    _working: watch::Sender<()>,
}

impl InFlight {
    /// Claims `id`, waiting until nobody else works on it. Cancel-safe.
    pub(super) async fn claim(&self, id: Uuid) -> Claim {
        let mut waited = false;
        loop {
            let mut busy = match self.claim_or_busy(id) {
                Ok(mut claim) => {
                    claim.waited = waited;
                    return claim;
                }
                Err(busy) => busy,
            };
            // The sender never sends: this ends with an error when the claim is dropped.
            let _ = busy.changed().await;
            waited = true;
        }
    }

    /// Claims `id`, unless somebody else works on it.
    pub(super) fn try_claim(&self, id: Uuid) -> Option<Claim> {
        self.claim_or_busy(id).ok()
    }

    fn claim_or_busy(&self, id: Uuid) -> Result<Claim, watch::Receiver<()>> {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(busy) = claims.get(&id) {
            return Err(busy.clone());
        }
        let (working, over) = watch::channel(());
        claims.insert(id, over);
        Ok(Claim { id, in_flight: self.clone(), waited: false, _working: working })
    }

    /// All ids that are claimed now.
    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
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
        self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
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
