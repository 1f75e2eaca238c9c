//! Processor time of one execution: measured while its future is polled, and bounded.
//!
//! A guest that computes is made to yield at each tick of the epoch, so it is seen in time; one that waits is not polled,
//! and not charged.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

thread_local! {
    /// The thread's processor time when it took up the future that it polls, or polled last.
    static TAKEN_UP: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Processor time that the future which this thread polls has used since the thread took it up. The time on the wall would tell more:
/// where the system holds threads up, most of it.
pub(super) fn used_in_this_turn() -> Duration {
    thread_time().saturating_sub(TAKEN_UP.get())
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
        let before = thread_time();
        TAKEN_UP.set(before);
        let polled = Pin::new(&mut self.inner).poll(context);
        self.used += thread_time().saturating_sub(before);
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
