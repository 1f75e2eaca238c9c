//! The background loop that writes one kind of row, and what its callers share with it.
//!
//! No timer: as soon as one statement is answered, the next one takes all that has come meanwhile. A row alone is
//! written at once; under load a thousand share a commit.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use super::{
    Database, Outcomes, RecordError,
    health::HealthBoard,
    held::{Entry, Held},
    row::Row,
    waiter::{Answers, Then, Waiter},
};

/// The most rows of a statement. More bring nothing (measured: 100 rows reach two thirds of the rate of 1,000), but make
/// each row wait longer and a bisection longer.
const FLUSH_ROWS: usize = 1_000;
/// The most bytes of a statement, as far as it has more than one row: what the process holds twice while it writes.
const FLUSH_BYTES: usize = 16 * 1024 * 1024;
/// The most rows that wait. Callers are bounded by their prefetch already, as a rule by less.
const HELD_ROWS: usize = 10 * FLUSH_ROWS;

/// What the loop and its callers share.
pub(super) struct Shared<R> {
    pub(super) db: Database,
    pub(super) health: Arc<HealthBoard>,
    pub(super) outcomes: Outcomes,
    /// Rows and statements that were committed.
    pub(super) rows_written: AtomicU64,
    pub(super) statements: AtomicU64,
    /// Never held across an `await`.
    state: Mutex<State<R>>,
    wake: Notify,
    /// A permit for each row that waits or is being written; closed when no more are taken.
    room: Semaphore,
}

struct State<R> {
    held: Held<R, Waiter>,
    /// No more rows are taken.
    closed: bool,
}

impl<R: Row> Shared<R> {
    pub(super) fn new(db: Database, health: Arc<HealthBoard>, outcomes: Outcomes) -> Arc<Self> {
        Arc::new(Self {
            db,
            health,
            outcomes,
            rows_written: AtomicU64::new(0),
            statements: AtomicU64::new(0),
            state: Mutex::new(State { held: Held::default(), closed: false }),
            wake: Notify::new(),
            room: Semaphore::new(HELD_ROWS),
        })
    }

    /// Waits for room, then until the row is committed or known not to be.
    pub(super) async fn record(&self, row: R) -> Result<(), RecordError> {
        let (told, answer) = oneshot::channel();
        // Who gave up waiting needs no answer.
        self.record_then(row, Then::new(|answer| drop(told.send(answer)))).await;
        answer.await.unwrap_or(Err(RecordError::Stopped))
    }

    /// Waits for room; the rest is `then`'s.
    pub(super) async fn record_then(&self, row: R, then: Then) {
        self.take_in([(row, Waiter::Then(then))]).await;
    }

    /// Waits for room for all rows, of which there may be [`HELD_ROWS`]; gives where their answers come.
    pub(super) async fn record_all(&self, rows: Vec<R>) -> Answers {
        let (waiter, answers) = mpsc::unbounded_channel();
        let waiting = |(place, row)| (row, Waiter::OneOf(place, waiter.clone()));
        self.take_in(rows.into_iter().enumerate().map(waiting)).await;
        Answers(answers)
    }

    /// Takes rows in together, as far as the database may take them and none was closed out.
    async fn take_in(&self, rows: impl IntoIterator<Item = (R, Waiter)>) {
        let mut accepted = Vec::new();
        for (row, waiter) in rows {
            let row = row.clean();
            match row.refusal(self.db.backend) {
                Some(reason) => waiter.answer(Err(RecordError::Refused { reason: reason.to_owned() })),
                None => accepted.push((row, waiter)),
            }
        }
        let places = u32::try_from(accepted.len()).unwrap_or(u32::MAX);
        // Closed: the waiters get no answer.
        let Ok(mut room) = self.room.acquire_many(places).await else { return };
        {
            let mut state = self.state();
            if state.closed {
                return;
            }
            for (row, waiter) in accepted {
                if state.held.put(row, Some(waiter))
                    && let Some(place) = room.split(1)
                {
                    // Given back when the row was answered.
                    place.forget();
                }
            }
        }
        self.wake.notify_one();
    }

    /// Takes the row in if there is room for it; otherwise it is left out. Gives whether it was taken in.
    pub(super) fn announce(&self, row: R) -> bool {
        let row = row.clean();
        if row.refusal(self.db.backend).is_some() {
            return false;
        }
        let mut state = self.state();
        if state.closed {
            return false;
        }
        if !state.held.contains(row.id()) {
            let Ok(permit) = self.room.try_acquire() else { return false };
            permit.forget();
        }
        state.held.put(row, None);
        drop(state);
        self.wake.notify_one();
        true
    }

    /// No more rows are taken; the loop ends when it has written those it holds.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.room.close();
        self.wake.notify_one();
    }

    /// How many rows wait; those being written are not among them.
    pub(super) fn waiting(&self) -> usize {
        self.state().held.len()
    }

    /// Writes until closed and empty.
    pub(super) async fn run(self: Arc<Self>) {
        let _guard = AnswersOnDrop(&self);
        loop {
            let (batch, closed) = {
                let mut state = self.state();
                (state.held.take(FLUSH_ROWS, FLUSH_BYTES), state.closed)
            };
            if !batch.is_empty() {
                let rows = batch.len();
                self.flush(batch).await;
                self.room.add_permits(rows);
            } else if closed {
                return;
            } else {
                self.wake.notified().await;
            }
        }
    }

    pub(super) fn answer(entry: Entry<R, Waiter>, answer: &Result<(), RecordError>) {
        entry.waiters.into_iter().for_each(|waiter| waiter.answer(answer.clone()));
    }

    pub(super) fn count_written(&self, rows: usize) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.rows_written.fetch_add(rows.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// However the loop ends, by panic as well: nobody waits for it any more.
struct AnswersOnDrop<'a, R: Row>(&'a Shared<R>);

impl<R: Row> Drop for AnswersOnDrop<'_, R> {
    fn drop(&mut self) {
        self.0.close();
        let unanswered = self.0.state().held.take(usize::MAX, usize::MAX);
        unanswered.into_iter().for_each(|entry| Shared::answer(entry, &Err(RecordError::Stopped)));
        self.0.health.report(R::KIND, Some(format!("the writer of {} has ended", R::KIND)));
    }
}

#[cfg(test)]
mod tests;
