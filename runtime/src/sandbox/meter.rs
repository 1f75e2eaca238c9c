//! Processor time of one execution: measured while its future is polled, and bounded.
//!
//! A guest that computes is made to yield at each tick of the epoch, so it is seen in time; one that waits is not polled,
//! and not charged. The clock of a thread's processor time is a call of the system, which takes as long as a tenth of a brief
//! execution: what is over within [`FRESH`] is charged what it took on the wall, which is no less, and the clock is asked for the
//! beginning of a poll only where it was not asked just before. So what is charged is never too little, nor too much by more than that
//! a poll, nor more than passed on the wall.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// For how long a reading of the thread's processor time holds.
const FRESH: Duration = Duration::from_micros(100);

/// What a thread's clocks said.
#[derive(Clone, Copy)]
struct Reading {
    wall: Instant,
    processor: Duration,
}

/// One poll of a future.
#[derive(Clone, Copy)]
struct Turn {
    begun: Instant,
    /// Processor time of the thread, at most [`FRESH`] before that.
    processor: Duration,
}

thread_local! {
    static LAST_READING: Cell<Option<Reading>> = const { Cell::new(None) };
    /// Of the future that the thread polls, or polled last.
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };
}

impl Turn {
    fn begin() -> Self {
        let begun = Instant::now();
        let last = LAST_READING.get().filter(|last| begun.duration_since(last.wall) <= FRESH);
        let Reading { processor, .. } = last.unwrap_or_else(|| Reading::at(begun));
        Self { begun, processor }
    }

    /// Processor time since it has begun.
    fn used(&self) -> Duration {
        let now = Instant::now();
        let passed = now.duration_since(self.begun);
        if passed <= FRESH { passed } else { passed.min(Reading::at(now).processor.saturating_sub(self.processor)) }
    }
}

impl Reading {
    fn at(wall: Instant) -> Self {
        let reading = Self { wall, processor: thread_time() };
        LAST_READING.set(Some(reading));
        reading
    }
}

/// Processor time that the future which this thread polls has used since the thread took it up. The time on the wall would tell more:
/// where the system holds threads up, most of it.
pub(super) fn used_in_this_turn() -> Duration {
    TURN.get().map(|turn| turn.used()).unwrap_or_default()
}

/// A future whose processor time is measured. Ends with `None` when it has used more than its limit.
pub(super) struct Metered<F> {
    inner: F,
    limit: Duration,
    used: Duration,
}

impl<F: Future + Unpin> Metered<F> {
    pub(super) fn new(inner: F, limit: Duration) -> Self {
        Self { inner, limit, used: Duration::ZERO }
    }

    /// What was used so far.
    pub(super) fn used(&self) -> Duration {
        self.used
    }
}

impl<F: Future + Unpin> Future for Metered<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let turn = Turn::begin();
        TURN.set(Some(turn));
        let polled = Pin::new(&mut self.inner).poll(context);
        self.used += turn.used();
        match polled {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.used > self.limit => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Processor time that this thread has used.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn waiting_is_not_charged_and_computing_is() {
        let mut waiting =
            Metered::new(Box::pin(tokio::time::sleep(Duration::from_millis(50))), Duration::from_millis(20));
        assert!((&mut waiting).await.is_some());
        assert!(waiting.used() < Duration::from_millis(20));

        let computing = async {
            loop {
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(2) {}
                tokio::task::yield_now().await;
            }
        };
        let mut computing = Metered::new(Box::pin(computing), Duration::from_millis(20));
        assert!((&mut computing).await.is_none());
        assert!(computing.used() > Duration::from_millis(20));
    }

    #[tokio::test]
    async fn never_is_less_charged_than_was_used_nor_much_more() {
        for micros in [0, 20, 90, 110, 150, 400, 2_000] {
            let (length, limit) = (Duration::from_micros(micros), Duration::from_secs(60));
            let computing = std::future::poll_fn(|_| {
                let begun = thread_time();
                while thread_time() - begun < length {}
                Poll::Ready(thread_time() - begun)
            });
            let (mut metered, before, begun) = (Metered::new(computing, limit), thread_time(), Instant::now());
            let computed = (&mut metered).await.unwrap();
            let (most, passed) = (thread_time() - before + FRESH, begun.elapsed());
            let used = metered.used();
            // The clocks may run differently fast.
            assert!(
                computed.mul_f64(0.99) <= used && used <= most && used <= passed,
                "{computed:?} <= {used:?} <= {most:?}, {passed:?}"
            );
        }
    }

    #[tokio::test]
    async fn what_the_thread_did_before_is_not_charged() {
        let limit = Duration::from_secs(60);
        assert_eq!(Metered::new(std::future::ready(()), limit).await, Some(()));
        let begun = thread_time();
        while thread_time() - begun < Duration::from_millis(5) {}
        let held_up = std::future::poll_fn(|_| {
            std::thread::sleep(Duration::from_millis(20));
            Poll::Ready(())
        });
        let mut metered = Metered::new(held_up, limit);
        (&mut metered).await.unwrap();
        assert!(metered.used() < Duration::from_millis(2), "{:?}", metered.used());
    }

    #[tokio::test]
    async fn a_turn_counts_neither_those_before_nor_what_it_was_held_up() {
        let mut turns = Metered::new(
            Box::pin(async {
                let begun = thread_time();
                while used_in_this_turn() < Duration::from_millis(5) {}
                let computed = thread_time() - begun;
                tokio::task::yield_now().await;
                std::thread::sleep(Duration::from_millis(20));
                (computed, used_in_this_turn())
            }),
            Duration::from_secs(60),
        );
        let (computed, second) = (&mut turns).await.unwrap();
        assert!(computed >= Duration::from_millis(4) && second < Duration::from_millis(4), "{computed:?}, {second:?}");
    }
}
