//! Which messages of a timetable were answered, and how long that took from when each was due.

use std::time::{Duration, Instant};

use super::{Spread, Timetable};

/// The answers to the messages of a timetable.
#[derive(Debug)]
pub struct Arrivals {
    timetable: Timetable,
    begin: Instant,
    /// By the message's number.
    at: Vec<Option<Instant>>,
    answered: u64,
    answered_measured: u64,
    last: Option<Instant>,
}

impl Arrivals {
    /// None has come yet. `begin` is when the first message is due.
    pub fn new(timetable: Timetable, begin: Instant) -> Self {
        let count = usize::try_from(timetable.count()).unwrap_or(usize::MAX);
        Self { timetable, begin, at: vec![None; count], answered: 0, answered_measured: 0, last: None }
    }

    /// The answer to message `n` has come. Only the first one counts; one to a message that there is not is passed over.
    pub fn record(&mut self, n: u64, at: Instant) {
        let slot = usize::try_from(n).ok().and_then(|n| self.at.get_mut(n));
        let Some(slot @ None) = slot else { return };
        *slot = Some(at);
        self.answered += 1;
        if self.timetable.is_measured(n) {
            self.answered_measured += 1;
            self.last = self.last.max(Some(at));
        }
    }

    /// Whether all have come, those of the warm-up, too.
    pub fn is_complete(&self) -> bool {
        self.answered == self.timetable.count()
    }

    /// Answers so far, those of the warm-up, too.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Answers to messages that are measured.
    pub fn measured(&self) -> u64 {
        self.answered_measured
    }

    /// Answers a second to messages that are measured, from when the first of these was due until the last came.
    pub fn per_second(&self) -> Option<f64> {
        let took = self.last?.checked_duration_since(self.begin + self.timetable.begin())?.as_secs_f64();
        (took > 0.0).then(|| self.answered_measured as f64 / took)
    }

    /// How long the messages that are measured took, each from when it was due. One that was not answered took until `given_up`
    /// at least: it counts as if the answer had come then.
    pub fn spread(&self, given_up: Instant) -> Spread {
        let took = (0..).zip(&self.at).filter(|(n, _)| self.timetable.is_measured(*n));
        Spread::of(took.map(|(n, at)| self.took(n, at.unwrap_or(given_up))).collect())
    }

    fn took(&self, n: u64, at: Instant) -> Duration {
        at.saturating_duration_since(self.begin + self.timetable.due(n))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn a_stall_counts_for_each_message_that_was_due_meanwhile() {
        let timetable = Timetable::new(NonZeroU32::new(10).unwrap(), Duration::ZERO, Duration::from_secs(1));
        let begin = Instant::now();
        let mut arrivals = Arrivals::new(timetable, begin);
        // All is answered at once, two seconds after the beginning, and the last never.
        let at = begin + Duration::from_secs(2);
        (0..10).for_each(|n| arrivals.record(n, at));
        (0..3).for_each(|n| arrivals.record(n, at + Duration::from_secs(1)));
        arrivals.record(4_711, at);
        assert_eq!((arrivals.answered(), arrivals.measured(), arrivals.is_complete()), (10, 9, false));
        let spread = arrivals.spread(begin + Duration::from_secs(4));
        assert_eq!(spread.per_mille(500), Some(Duration::from_millis(1_500)));
        assert_eq!(spread.longest(), Some(Duration::from_secs(3)), "the one without an answer");
        assert!((arrivals.per_second().unwrap() - 9.0 / 1.9).abs() < 0.01);
        arrivals.record(10, at);
        assert!(arrivals.is_complete());
    }
}
