//! Keeps a timetable: sends each message when it is due.
//!
//! On a thread of its own, which sleeps by the system's clock: the timers of an asynchronous runtime count milliseconds,
//! which is as long as a task takes.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Timetable;

/// A message that goes out so long after its time is late: by the fault of who sends, which has to be told.
const LATE: Duration = Duration::from_millis(10);

/// The longest sleep: so soon a stop is noticed.
const NAP: Duration = Duration::from_millis(100);

/// How well the times were kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Messages that are measured and went out more than 10 ms after their time. What they took counts from their time on.
    pub late: u64,
    /// The most that one of them was after its time.
    pub longest: Duration,
}

/// Calls `send` with the number of each message when it is due, the first at `begin`. Blocks until all are sent, `send` says
/// that it can't go on (false), or `stop` is cancelled: to be called on a thread that may block, and `send` must not wait
/// for answers.
pub fn keep(
    timetable: &Timetable,
    begin: Instant,
    stop: &CancellationToken,
    mut send: impl FnMut(u64) -> bool,
) -> Kept {
    let mut kept = Kept::default();
    for n in 0..timetable.count() {
        let due = begin + timetable.due(n);
        let after = loop {
            let now = Instant::now();
            if stop.is_cancelled() {
                return kept;
            }
            match due.checked_duration_since(now) {
                Some(left) if !left.is_zero() => std::thread::sleep(left.min(NAP)),
                _ => break now.saturating_duration_since(due),
            }
        };
        if timetable.is_measured(n) {
            kept.late += u64::from(after > LATE);
            kept.longest = kept.longest.max(after);
        }
        if !send(n) {
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn timetable() -> Timetable {
        Timetable::new(NonZeroU32::new(1_000).unwrap(), Duration::ZERO, Duration::from_millis(50))
    }

    #[test]
    fn none_goes_out_before_its_time_and_those_that_are_late_are_counted() {
        let (timetable, begin) = (timetable(), Instant::now());
        let mut sent = Vec::new();
        let kept = keep(&timetable, begin, &CancellationToken::new(), |n| {
            assert!(begin.elapsed() >= timetable.due(n));
            if n == 5 {
                std::thread::sleep(Duration::from_millis(30));
            }
            sent.push(n);
            true
        });
        assert_eq!(sent, (0..51).collect::<Vec<_>>());
        // Those due in the first 20 of the 30 ms that were slept, at least.
        assert!(kept.late >= 19 && kept.longest >= Duration::from_millis(29), "{kept:?}");
    }

    #[test]
    fn it_ends_when_it_is_stopped_or_can_not_go_on() {
        let (mut sent, stop) = (0, CancellationToken::new());
        keep(&timetable(), Instant::now(), &stop, |n| {
            sent += 1;
            n < 3
        });
        assert_eq!(sent, 4);
        keep(&timetable(), Instant::now(), &stop, |_| {
            sent += 1;
            stop.cancel();
            true
        });
        assert_eq!(sent, 5);
    }
}
