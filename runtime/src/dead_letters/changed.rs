//! What was done with dead letters, as the command line and HTTP tell it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Walked;

/// How many dead letters were tried again or thrown away, and which were left.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// So many were tried again, or thrown away.
    pub done: usize,
    /// Those that were meant and could not be published, each with the reason; of more than a thousand the first.
    pub stayed: Vec<Stayed>,
    /// How many those are in all.
    pub stayed_count: usize,
    /// Those that nothing tells the origin of: they stay, whatever is asked for.
    pub foreign: usize,
    /// Those that nobody has looked at, because the limit or the time was over: ask once more.
    pub not_looked_at: u64,
}

/// A letter that stays where it is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stayed {
    /// Its id.
    pub id: String,
    /// The queue that it is in.
    pub queue: String,
    /// Why it stays.
    pub reason: String,
}

impl Changed {
    /// Adds what was done elsewhere.
    pub fn add(&mut self, other: Self) {
        self.done += other.done;
        self.stayed.extend(other.stayed);
        self.stayed_count += other.stayed_count;
        self.foreign += other.foreign;
        self.not_looked_at += other.not_looked_at;
    }
}

impl From<Walked> for Changed {
    fn from(walked: Walked) -> Self {
        let stayed = walked.stayed.into_iter();
        Self {
            done: walked.letters.len(),
            stayed: stayed.map(|(letter, reason)| Stayed { id: letter.id, queue: letter.queue, reason }).collect(),
            stayed_count: walked.stayed_count,
            foreign: walked.foreign,
            not_looked_at: walked.not_looked_at,
        }
    }
}
