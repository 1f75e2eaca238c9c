//! What a schedule does when it is looked at: nothing yet, a tick, or counting anew.

use chrono::{DateTime, TimeDelta, Utc};

use super::Timetable;

/// How far ahead of the clock a schedule may be: clocks that are set right are set by less. Its ticks of that time are made, and
/// wait for the clock.
const AHEAD: TimeDelta = TimeDelta::minutes(1);

/// What a schedule does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A tick is due.
    Tick {
        /// Its time; of several that were missed, the latest one's.
        at: DateTime<Utc>,
        /// The next one's.
        next_at: DateTime<Utc>,
    },
    /// It counts from now: it is ahead of a clock that was set back; or its next time is none of its times, because it was left
    /// alone for a while or the rules of its zone have changed.
    CountAnew {
        /// The next tick's time. One that was made before is known by its id.
        next_at: DateTime<Utc>,
    },
    /// Nothing is due.
    Wait,
}

impl Step {
    /// The last tick's time from which a schedule is ahead of the clock.
    pub fn ahead(now: DateTime<Utc>) -> DateTime<Utc> {
        now + AHEAD
    }

    /// What the schedule does whose next tick is at `next_at`, and which was touched last (made, or by a tick) at `touched_at`.
    /// `None` if the timetable has come to its end.
    pub fn of(
        timetable: &Timetable,
        next_at: DateTime<Utc>,
        touched_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        if touched_at > Self::ahead(now) {
            return Some(Self::CountAnew { next_at: timetable.next_after(now)? });
        }
        if next_at > now {
            return Some(Self::Wait);
        }
        let latest = timetable.latest(next_at, now);
        let next_at = timetable.next_after(now)?;
        Some(match latest {
            Some(at) => Self::Tick { at, next_at },
            None => Self::CountAnew { next_at },
        })
    }
}
