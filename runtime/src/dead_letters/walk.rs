//! A walk through queues of dead letters: how far it goes, what it does, what it has found.

use tokio::time::Instant;

use super::{Content, DeadLetters, DeadLettersError, Filter, Letter, Place, in_memory};

/// Of letters that stay, so many are told with their reasons; the others are counted.
const MOST_TOLD: usize = 1_000;

/// What is done with the letters that are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// They are looked at.
    Look,
    /// They are published into the queue that they came from, as if for the first time.
    Retry,
    /// They are thrown away.
    Discard,
}

/// How far a walk goes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// So many letters that are meant, over all queues. Those that stay do not count.
    pub letters: usize,
    /// No further letter is taken after that. None: it has all the time that it needs.
    pub until: Option<Instant>,
}

impl Bounds {
    pub(super) fn are_reached(&self, walked: &Walked) -> bool {
        walked.letters.len() >= self.letters || self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// What is left of them after a part of the way.
    fn after(self, walked: &Walked) -> Self {
        Self { letters: self.letters.saturating_sub(walked.letters.len()), ..self }
    }
}

/// What a walk has found and done.
#[derive(Debug, Default)]
pub struct Walked {
    /// The letters that were meant, and done with, the oldest of each queue first.
    pub letters: Vec<Letter>,
    /// All that the last one says, if it was looked at.
    pub last: Option<Content>,
    /// Letters that were meant and could not be published, each with the reason; of more than a thousand the first. They stay.
    pub stayed: Vec<(Letter, String)>,
    /// How many those are in all.
    pub stayed_count: usize,
    /// Letters that nothing tells the origin of: they stay, whatever was asked for.
    pub foreign: usize,
    /// Letters that it did not come to within its bounds.
    pub not_looked_at: u64,
}

impl Walked {
    pub(super) fn stays(&mut self, letter: Letter, reason: String) {
        self.stayed_count += 1;
        if self.stayed.len() < MOST_TOLD {
            self.stayed.push((letter, reason));
        }
    }

    fn add(&mut self, other: Self) {
        self.letters.extend(other.letters);
        self.last = other.last.or(self.last.take());
        let room = MOST_TOLD.saturating_sub(self.stayed.len());
        self.stayed.extend(other.stayed.into_iter().take(room));
        self.stayed_count += other.stayed_count;
        self.foreign += other.foreign;
        self.not_looked_at += other.not_looked_at;
    }
}

impl DeadLetters {
    /// Walks through these queues, one after the other, and does that with the letters that `filter` takes, as far as `bounds`
    /// go. `progress` is told of a queue how many were looked at, of how many.
    ///
    /// # Errors
    /// If there is no such queue, or the connection is lost; see [`DeadLettersError`]. What was done before stays done.
    pub async fn walk(
        &self,
        queues: &[String],
        filter: &Filter,
        bounds: Bounds,
        action: Action,
        progress: impl Fn(&str, u64, u64),
    ) -> Result<Walked, DeadLettersError> {
        let mut walked = Walked::default();
        for queue in queues {
            let (left, progress) = (bounds.after(&walked), |seen, count| progress(queue, seen, count));
            walked.add(match &self.0 {
                Place::RabbitMq(server) => server.walk(queue, filter, left, action, progress).await?,
                Place::InProcess(broker) => in_memory::walk(broker, queue, filter, left, action).await?,
            });
        }
        Ok(walked)
    }
}
