//! Who waits for rows that were recorded together: woken once, when each row has its answer.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::AcqRel},
};

use tokio::sync::Notify;

use super::RecordError;

/// Why some rows are not known to be committed, each by its place among those that were recorded together.
pub(super) type Failed = Vec<(usize, RecordError)>;

/// Takes the answer for one row. Dropped without one, its row is not known to be committed.
pub(super) struct Waiter {
    place: usize,
    answer: Result<(), RecordError>,
    together: Arc<Together>,
}

/// What the waiters of rows that were recorded together share with who waits.
struct Together {
    unanswered: AtomicUsize,
    failed: Mutex<Failed>,
    answered: Notify,
}

/// The answers for rows that were recorded together.
pub(super) struct Answers(Arc<Together>);

/// As many waiters as there are rows, and where the answers come, once each of these waiters has been there.
pub(super) fn waiters(rows: usize) -> (impl Iterator<Item = Waiter>, Answers) {
    let together = Together { unanswered: AtomicUsize::new(rows), failed: Mutex::default(), answered: Notify::new() };
    let answers = Answers(Arc::new(together));
    let together = answers.0.clone();
    let waiter = move |place| Waiter { place, answer: Err(RecordError::Stopped), together: together.clone() };
    ((0..rows).map(waiter), answers)
}

impl Waiter {
    /// The row is committed, or why it is not.
    pub(super) fn answer(mut self, answer: Result<(), RecordError>) {
        self.answer = answer;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Err(error) = std::mem::replace(&mut self.answer, Ok(())) {
            self.together.failed.lock().unwrap_or_else(PoisonError::into_inner).push((self.place, error));
        }
        if self.together.unanswered.fetch_sub(1, AcqRel) == 1 {
            self.together.answered.notify_one();
        }
    }
}

impl Answers {
    /// Waits until each row has its answer. There has to be a row.
    pub(super) async fn failed(self) -> Failed {
        self.0.answered.notified().await;
        std::mem::take(&mut self.0.failed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_when_the_last_row_has_its_answer_and_which_were_not_committed() {
        let refused = Err(RecordError::Refused { reason: "NUL".to_owned() });
        let (all, answers) = waiters(4);
        let mut all: Vec<Waiter> = all.collect();
        let mut failed = std::pin::pin!(answers.failed());
        all.pop().unwrap().answer(Ok(()));
        all.pop().unwrap().answer(refused);
        drop(all.pop());
        assert!(failed.as_mut().now_or_never().is_none());
        all.pop().unwrap().answer(Ok(()));
        assert_eq!(failed.await, [(2, RecordError::Refused { reason: "NUL".to_owned() }), (1, RecordError::Stopped)]);
    }

    #[tokio::test]
    async fn answers_that_came_before_they_are_waited_for_are_not_missed() {
        let (all, answers) = waiters(2);
        all.for_each(|waiter| waiter.answer(Ok(())));
        assert_eq!(answers.failed().await, []);
    }
}
