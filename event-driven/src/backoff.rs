//! Pauses that grow: after each failure twice as long, up to a limit, and never quite the same for two processes, so that
//! those that lost one server don't return to it in step.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The longest pause: how late the return of a server may be noticed.
const LONGEST: Duration = Duration::from_secs(5);

/// Counts failures in a row.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    failures: u32,
}

impl Backoff {
    /// The first pause is `first`, shortened by up to a half at random, as all that follow.
    pub fn starting_at(first: Duration) -> Self {
        Self { first, failures: 0 }
    }

    /// The pause after one more failure: between half and all of the first × 2ⁿ, at most 5 s.
    pub fn pause(&mut self) -> Duration {
        let pause = pause_after(self.first, LONGEST, self.failures);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// How many failures there were in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// It worked: the next pause is the first again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The pause after so many failures before this one: between half and all of the first × 2ⁿ, at most `longest`.
pub(crate) fn pause_after(first: Duration, longest: Duration, failures: u32) -> Duration {
    let whole = first.saturating_mul(2_u32.saturating_pow(failures)).min(longest);
    whole / 2 + whole.mul_f64(random_fraction() / 2.0)
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
    fn pauses_grow_to_their_limit_and_stay_there() {
        let first = Duration::from_millis(100);
        let (mut backoff, mut whole) = (Backoff::starting_at(first), first);
        for n in 0..200 {
            assert_eq!(backoff.failures(), n);
            let pause = backoff.pause();
            assert!(whole / 2 <= pause && pause <= whole, "{pause:?} of {whole:?}");
            whole = (whole * 2).min(LONGEST);
        }
        backoff.reset();
        assert_eq!(backoff.failures(), 0);
        assert!(backoff.pause() <= first);
    }
}
