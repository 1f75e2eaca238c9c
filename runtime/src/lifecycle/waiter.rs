//! What is done with the answer to a row: that of one alone is handed on, that of one of those that were recorded together is kept with
//! theirs for who waits for them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::mpsc;

use super::RecordError;

/// Whether a row is committed, or why not.
type Answer = Result<(), RecordError>;

/// The most answers that are given at once.
const AT_ONCE: usize = 64;

/// Takes the answer for one row. Dropped without one: the writer panicked or was cut off, and the row is not known to be committed.
pub(super) enum Waiter {
    /// For a row alone.
    Then(Then),
    /// For that of this place, of those that were recorded together.
    OneOf(usize, mpsc::UnboundedSender<(usize, Answer)>),
}

/// What is done with an answer, once: if none ever comes, with [`RecordError::Stopped`].
pub(super) struct Then(Option<Box<dyn FnOnce(Answer) + Send + Sync>>);

impl Waiter {
    pub(super) fn answer(self, answer: Answer) {
        match self {
            Self::Then(mut then) => then.answer(answer),
            // Who gave up waiting needs none.
            Self::OneOf(place, waiter) => drop(waiter.send((place, answer))),
        }
    }
}

impl Then {
    pub(super) fn new(then: impl FnOnce(Answer) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(then)))
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(then) = self.0.take() {
            // A panic, which was reported, is no reason to write nothing any more.
            let _ended = catch_unwind(AssertUnwindSafe(|| then(answer)));
        }
    }
}

impl Drop for Then {
    fn drop(&mut self) {
        self.answer(Err(RecordError::Stopped));
    }
}

/// The answers to rows that were recorded together, as they come: those of one statement at once.
#[derive(Debug)]
pub struct Answers(pub(super) mpsc::UnboundedReceiver<(usize, Answer)>);

impl Answers {
    /// Waits for the next answers: each with the place of its row among the others. None when no more will come; a row that has none
    /// then is not known to be committed ([`RecordError::Stopped`]). Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Vec<(usize, Answer)> {
        let mut answers = Vec::new();
        self.0.recv_many(&mut answers, AT_ONCE).await;
        answers
    }
}
