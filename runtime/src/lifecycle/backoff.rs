//! How long to wait before a statement is tried again.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The first pause: as long as a connection takes that was merely closed.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause: how late a database's return may be noticed.
const LONGEST: Duration = Duration::from_secs(5);

/// Pauses of 50 ms, 100 ms, 200 ms … 5 s, each shortened by up to a half at random, so that the runtimes that lost
/// one database don't return to it in step.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        let longest = FIRST.saturating_mul(2_u32.saturating_pow(self.tries)).min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        longest / 2 + longest.mul_f64(random_fraction() / 2.0)
    }

    /// How many pauses there were.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }
}

/// From 0 to 1; good enough to spread pauses, and needs no generator of random numbers.
fn random_fraction() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_bounds() {
        let mut backoff = Backoff::default();
        for n in 0..100 {
            let longest = FIRST.saturating_mul(2_u32.saturating_pow(n)).min(LONGEST);
            let pause = backoff.next();
            assert!(pause >= longest / 2 && pause <= longest, "{n}: {pause:?}");
        }
        assert_eq!(backoff.tries(), 100);
    }
}
