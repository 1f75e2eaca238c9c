//! Counts the tasks that this process has brought to their end, and how many of them lately.
//!
//! Counted when the row is committed, told with the signs of life: so the database can say how many tasks end a second without
//! reading any of them.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use entity::TaskStatus;
use tokio::time::Instant;

/// How far back "lately" goes: long enough to be steady, short enough to be about now.
const WINDOW: Duration = Duration::from_secs(10);

/// Most marks that are kept: signs of life are given at least every 200 ms.
const MARKS: usize = 64;

/// Tasks that came to their end, since the start.
#[derive(Debug, Default)]
pub(super) struct Tally {
    completed: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
}

impl Tally {
    /// A row with this status was committed.
    pub(super) fn count(&self, status: TaskStatus) {
        match status {
            TaskStatus::Pending | TaskStatus::Running => return,
            TaskStatus::Completed => &self.completed,
            TaskStatus::Failed => &self.failed,
            TaskStatus::Cancelled => &self.cancelled,
        }
        .fetch_add(1, Relaxed);
    }

    fn counts(&self) -> Counts {
        Counts {
            completed: self.completed.load(Relaxed),
            failed: self.failed.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
        }
    }
}

impl Counts {
    fn since(self, before: Self) -> Self {
        Self {
            completed: self.completed.saturating_sub(before.completed),
            failed: self.failed.saturating_sub(before.failed),
            cancelled: self.cancelled.saturating_sub(before.cancelled),
        }
    }
}

/// Remembers how the counts stood.
#[derive(Debug, Default)]
pub(super) struct Recent {
    marks: VecDeque<(Instant, Counts)>,
}

impl Recent {
    /// Marks how the counts stand, and gives over what time they grew by how much. `None` the first time.
    pub(super) fn mark(&mut self, tally: &Tally, now: Instant) -> Option<(Duration, Counts)> {
        let counts = tally.counts();
        // The one before the window stays: so the time is never shorter than that.
        while self.marks.len() >= MARKS || self.marks.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.marks.pop_front();
        }
        let first = self.marks.front().copied();
        self.marks.push_back((now, counts));
        first.map(|(at, before)| (now.duration_since(at), counts.since(before)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_within_the_window_is_counted() {
        let (tally, mut recent, start) = (Tally::default(), Recent::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(recent.mark(&tally, start), None);
        for status in [TaskStatus::Completed, TaskStatus::Completed, TaskStatus::Failed, TaskStatus::Running] {
            tally.count(status);
        }
        let first = Counts { completed: 2, failed: 1, cancelled: 0 };
        assert_eq!(recent.mark(&tally, at(4)), Some((Duration::from_secs(4), first)));
        tally.count(TaskStatus::Cancelled);
        assert_eq!(recent.mark(&tally, at(8)), Some((Duration::from_secs(8), Counts { cancelled: 1, ..first })));
        // The first mark is older than the window, and the second is not.
        assert_eq!(recent.mark(&tally, at(12)), Some((Duration::from_secs(12), Counts { cancelled: 1, ..first })));
        let last = Counts { cancelled: 1, ..Counts::default() };
        assert_eq!(recent.mark(&tally, at(14)), Some((Duration::from_secs(10), last)));
        assert_eq!(recent.mark(&tally, at(100)), Some((Duration::from_secs(86), Counts::default())));
        for beat in 0..1_000 {
            recent.mark(&tally, at(100) + Duration::from_millis(beat));
        }
        assert!(recent.marks.len() <= MARKS);
    }
}
