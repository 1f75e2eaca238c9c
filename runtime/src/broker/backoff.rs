//! Pauses that grow: after each failure twice as long, up to a limit, and never quite the same for two processes.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure: between half and all of 0.1 s × 2ⁿ, at most 5 s.
    pub(super) fn next(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Randomly seeded by the standard library; good enough to keep many processes from knocking at once.
        let share = RandomState::new().hash_one(self.failures) % 1_000;
        whole / 2 + whole.mul_f64(f64::from(u32::try_from(share).unwrap_or(0)) / 2_000.0)
    }

    /// It worked: the next pause is the first again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_stay_there() {
        let mut backoff = Backoff::default();
        let mut limit = FIRST;
        for _ in 0..200 {
            let pause = backoff.next();
            assert!(limit / 2 <= pause && pause <= limit, "{pause:?} of {limit:?}");
            limit = (limit * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
