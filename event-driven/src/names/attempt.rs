//! Which attempt at a message this is.

use std::{fmt, str::FromStr, time::Duration};

/// An attempt, counted from 0: the first run of a message is attempt 0, its first retry is attempt 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(u32);

impl Attempt {
    /// The first attempt.
    pub const FIRST: Self = Self(0);

    /// Attempt `number`, counted from 0.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number, counted from 0.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The attempt after this one. The last possible one is its own successor.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The attempt before this one; none before the first.
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// How long a message waits after this attempt failed: `delay` × 2ⁿ, at most `Duration::MAX`.
    pub fn delay(self, delay: Duration) -> Duration {
        2_u32
            .checked_pow(self.0)
            .map_or(if delay.is_zero() { delay } else { Duration::MAX }, |factor| delay.saturating_mul(factor))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an attempt is a whole number from 0 to {max} without sign or leading zeros", max = u32::MAX)]
pub struct AttemptError;

impl FromStr for Attempt {
    type Err = AttemptError;

    /// Reads what `Display` writes, and nothing else: `00` and `+1` are refused, so that a name has one spelling.
    fn from_str(text: &str) -> Result<Self, AttemptError> {
        let number = text.parse().map_err(|_| AttemptError)?;
        let attempt = Self(number);
        if attempt.to_string() == text { Ok(attempt) } else { Err(AttemptError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_and_never_overflows() {
        let delays = [0, 1, 2].map(|n| Attempt::new(n).delay(Duration::from_secs(3)).as_secs());
        assert_eq!(delays, [3, 6, 12]);
        assert_eq!(Attempt::new(4_000_000_000).delay(Duration::from_secs(3)), Duration::MAX);
        assert_eq!(Attempt::new(4_000_000_000).delay(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn one_spelling_only() {
        assert_eq!("7".parse(), Ok(Attempt::new(7)));
        for bad in ["", "07", "+7", "-1", "1.0", " 1", "4294967296"] {
            assert_eq!(bad.parse::<Attempt>(), Err(AttemptError), "{bad}");
        }
    }
}
