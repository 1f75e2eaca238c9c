//! Where the sweeps stand among the keys, or among the rows without a key; and how much they take at once.
//!
//! The two have each their own: when one lost the connection, the other says nothing of it by being published.

use super::batch::Outcome;

/// One of the two orders in which rows are taken.
#[derive(Debug)]
pub(super) struct Cursor<P> {
    /// What the next batch follows. It stays where it is when a sweep ends early: what comes after it must be reached, too.
    pub(super) after: P,
    /// A sweep has begun behind the beginning.
    is_resumed: bool,
    /// Most keys, or rows, of the next batch.
    pub(super) room: u64,
    /// How many more, of those that were on their way when the connection was lost, are to be published alone: a message
    /// may be what kills it.
    suspects: u64,
}

impl<P: Clone + Default> Cursor<P> {
    pub(super) fn new(room: u64) -> Self {
        Self { after: P::default(), is_resumed: false, room, suspects: 0 }
    }

    /// A sweep begins, at the beginning or where the last one ended.
    pub(super) fn resume(&mut self, is_at_the_beginning: bool) {
        self.is_resumed = !is_at_the_beginning;
    }

    /// A batch is behind us, up to `last`. Whether there is more; if not, the next one is the first.
    pub(super) fn advance(&mut self, last: Option<P>) -> bool {
        if let Some(last) = last {
            self.after = last;
            return true;
        }
        self.after = P::default();
        std::mem::take(&mut self.is_resumed)
    }

    /// A batch of so many keys, or rows, up to `last`, was published.
    pub(super) fn learn(&mut self, keys: u64, last: Option<&P>, outcome: &Outcome, most: u64) {
        if outcome.broken.is_none() {
            self.suspects = self.suspects.saturating_sub(keys);
        } else if keys == 1 && !outcome.refused.is_empty() {
            // It was alone, and is the one. It may be due again when the connection is: the others come first.
            self.suspects = 0;
            self.after = last.unwrap_or(&self.after).clone();
        } else {
            (self.suspects, self.room) = (keys, 1);
        }
        if self.suspects == 0 {
            self.room = (self.room * 2).min(most);
        }
    }
}
