//! When each message of a load is due: an open loop, whose times depend on no answer.
//!
//! A closed loop, which sends the next message when the one before is answered, does not send while the system stands
//! still, and so leaves out the very messages that would have waited longest ("coordinated omission").

use std::{num::NonZeroU32, time::Duration};

/// Times a second at which messages are due, at most: the tick of a busy machine. Where more messages than that are due in a
/// second, some are due at the same moment.
const TICKS: u64 = 1_000;

/// The fewest messages that tell anything.
const LEAST: u64 = 10;

/// When each of some messages is due, counted from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timetable {
    per_second: NonZeroU32,
    warm_up: u64,
    measured: u64,
}

impl Timetable {
    /// Messages at a fixed rate: first those of the warm-up, one at least, which are not measured, then those of `measured`,
    /// ten at least, however long that takes.
    pub fn new(per_second: NonZeroU32, warm_up: Duration, measured: Duration) -> Self {
        let within = |time: Duration| {
            let messages = u128::from(per_second.get()) * time.as_millis() / 1_000;
            u64::try_from(messages).unwrap_or(u64::MAX)
        };
        Self { per_second, warm_up: within(warm_up).max(1), measured: within(measured).max(LEAST) }
    }

    /// Messages a second.
    pub fn per_second(&self) -> NonZeroU32 {
        self.per_second
    }

    /// All messages, those of the warm-up, too.
    pub fn count(&self) -> u64 {
        self.warm_up.saturating_add(self.measured)
    }

    /// Messages that are measured.
    pub fn measured(&self) -> u64 {
        self.measured
    }

    /// Whether the message `n`, counted from 0, is measured.
    pub fn is_measured(&self, n: u64) -> bool {
        n >= self.warm_up
    }

    /// When the message `n` is due. At more than a thousand a second, those of a millisecond are due at its beginning.
    pub fn due(&self, n: u64) -> Duration {
        let per_second = u64::from(self.per_second.get());
        let (whole, rest) = (n / per_second, n % per_second);
        let within = match per_second <= TICKS {
            true => Duration::from_nanos(rest * 1_000_000_000 / per_second),
            false => Duration::from_millis(rest * TICKS / per_second),
        };
        Duration::from_secs(whole) + within
    }

    /// When the first one that is measured is due.
    pub fn begin(&self) -> Duration {
        self.due(self.warm_up)
    }

    /// When the one after the last would be due.
    pub fn end(&self) -> Duration {
        self.due(self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timetable(per_second: u32, measured: u64) -> Timetable {
        let per_second = NonZeroU32::new(per_second).unwrap();
        Timetable::new(per_second, Duration::from_secs(1), Duration::from_secs(measured))
    }

    #[test]
    fn each_message_has_its_time() {
        let one = timetable(1, 2);
        assert_eq!((one.count(), one.measured(), one.end()), (11, 10, Duration::from_secs(11)), "ten at least");
        assert!(!one.is_measured(0) && one.is_measured(1));
        let third = timetable(3, 10);
        assert_eq!(third.due(1), Duration::from_nanos(333_333_333));
        assert_eq!((third.due(3), third.due(30)), (Duration::from_secs(1), Duration::from_secs(10)));
    }

    #[test]
    fn many_are_due_at_the_beginning_of_their_millisecond() {
        let fast = timetable(10_000, 10);
        assert_eq!((fast.count(), fast.measured(), fast.begin()), (110_000, 100_000, Duration::from_secs(1)));
        assert_eq!((fast.due(9), fast.due(10), fast.due(19)), (Duration::ZERO, ms(1), ms(1)));
        assert_eq!(fast.due(10_005), ms(1_000));
        let times: Vec<_> = (0..fast.count()).map(|n| fast.due(n)).collect();
        assert!(times.is_sorted());
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }
}
