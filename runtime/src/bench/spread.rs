//! Percentiles of measured times, from the times themselves.

use std::time::Duration;

/// Times, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread(Vec<Duration>);

impl Spread {
    /// Of these times, in any order.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that so many of a thousand do not exceed (nearest rank): 999 is p99.9. None where there are so few times that
    /// it would be no other than the longest: a p99 takes a hundred of them, a p99.9 a thousand.
    pub fn per_mille(&self, share: u32) -> Option<Duration> {
        let (count, share) = (u64::try_from(self.0.len()).ok()?, u64::from(share.min(1_000)));
        let enough = count.checked_mul(1_000 - share)? >= 1_000;
        let rank = count.checked_mul(share)?.div_ceil(1_000).max(1);
        let at = usize::try_from(rank - 1).ok()?;
        self.0.get(at).copied().filter(|_| enough)
    }

    /// The longest.
    pub fn longest(&self) -> Option<Duration> {
        self.0.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(count: u64) -> Spread {
        Spread::of((1..=count).rev().map(Duration::from_millis).collect())
    }

    #[test]
    fn nearest_rank() {
        let millis = |spread: &Spread, share| spread.per_mille(share).map(|time| time.as_millis());
        let thousand = up_to(1_000);
        assert_eq!([500, 990, 999].map(|share| millis(&thousand, share)), [Some(500), Some(990), Some(999)]);
        assert_eq!(thousand.longest(), Some(Duration::from_secs(1)));
        assert_eq!(millis(&up_to(101), 990), Some(100));
        assert_eq!(millis(&up_to(3), 500), Some(2));
    }

    #[test]
    fn a_percentile_takes_enough_times() {
        assert_eq!([up_to(99).per_mille(990), up_to(999).per_mille(999), up_to(0).per_mille(500)], [None, None, None]);
        assert!(up_to(100).per_mille(990).is_some() && up_to(2).per_mille(500).is_some());
        assert_eq!(up_to(0).longest(), None);
    }
}
