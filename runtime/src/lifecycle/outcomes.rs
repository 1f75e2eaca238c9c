//! Tells those who wait for a task in this process that its end was committed.
//!
//! Only ends that *this* process records are told: who waits for a task that another runtime may run also looks at the
//! row from time to time. Costs one atomic read for each row when nobody waits.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::oneshot;
use uuid::Uuid;

/// Who waits for which task. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Outcomes {
    board: Arc<Board>,
}

#[derive(Debug, Default)]
struct Board {
    /// How many wait, so that a writer without listeners need not lock.
    waiting: AtomicUsize,
    next_ticket: AtomicU64,
    tasks: Mutex<HashMap<Uuid, HashMap<u64, oneshot::Sender<()>>>>,
}

impl Outcomes {
    /// Waits for the task `id`. Subscribe first, *then* look at the row: an end in between is not missed.
    pub fn subscribe(&self, id: Uuid) -> Subscription {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.board.next_ticket.fetch_add(1, Ordering::Relaxed);
        let mut tasks = self.board.lock();
        tasks.entry(id).or_default().insert(ticket, sender);
        // Within the lock, so that the number never says fewer than the map holds.
        self.board.waiting.fetch_add(1, Ordering::SeqCst);
        drop(tasks);
        Subscription { board: self.board.clone(), id, ticket, receiver, told: false }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.board.waiting.load(Ordering::SeqCst)
    }

    /// The end of the task `id` is committed.
    pub(super) fn tell(&self, id: Uuid) {
        if self.waiting() == 0 {
            return;
        }
        for sender in self.board.take(id) {
            // The other side may have given up at this very moment.
            let _ = sender.send(());
        }
    }
}

impl Board {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, HashMap<u64, oneshot::Sender<()>>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, id: Uuid) -> Vec<oneshot::Sender<()>> {
        let senders: Vec<_> = self.lock().remove(&id).unwrap_or_default().into_values().collect();
        self.waiting.fetch_sub(senders.len(), Ordering::SeqCst);
        senders
    }

    fn leave(&self, id: Uuid, ticket: u64) {
        let mut tasks = self.lock();
        let Some(tickets) = tasks.get_mut(&id) else { return };
        if tickets.remove(&ticket).is_some() {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        if tickets.is_empty() {
            tasks.remove(&id);
        }
    }
}

/// One who waits; dropping it ends the wait.
#[derive(Debug)]
pub struct Subscription {
    board: Arc<Board>,
    id: Uuid,
    ticket: u64,
    receiver: oneshot::Receiver<()>,
    told: bool,
}

impl Subscription {
    /// Returns when this process has committed an end of the task: COMPLETED, FAILED or CANCELLED. Which one, and
    /// whether an earlier COMPLETED stood against it, says the row. May be called again, also after a timeout cut
    /// it off.
    pub async fn committed(&mut self) {
        if !self.told {
            // A sender is dropped only after it has sent, so that an error can't be.
            let _ = (&mut self.receiver).await;
            self.told = true;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.board.leave(self.id, self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_who_waits_for_the_task_is_told_and_nobody_else() {
        let outcomes = Outcomes::default();
        let (id, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (mut first, mut second, _third) =
            (outcomes.subscribe(id), outcomes.subscribe(id), outcomes.subscribe(other));
        outcomes.tell(id);
        first.committed().await;
        second.committed().await;
        assert_eq!(outcomes.waiting(), 1);
    }

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        let outcomes = Outcomes::default();
        drop((outcomes.subscribe(Uuid::nil()), outcomes.subscribe(Uuid::nil())));
        assert_eq!(outcomes.waiting(), 0);
        assert!(outcomes.board.lock().is_empty());
    }
}
