//! The threads that guests run on: an executor of its own, so that guests never hold up the service's connections,
//! timers and commits.
//!
//! There are two sets of threads. An execution begins on the first, and moves to the second once it has held a thread for
//! [`FIRST_SLICE`]; those threads have a lower priority, so the system lets a guest that has just come, and the service,
//! go before one that computes for long. Most guests end in their first slice and never move. Source: the multilevel feedback
//! queue, with two levels, and the system's scheduler between them.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::{JoinError, JoinHandle},
};

/// How long an execution holds threads of the first set, all its polls together. A guest that computes is made to yield at
/// the first tick of the epoch that finds it to have computed for a millisecond.
const FIRST_SLICE: Duration = Duration::from_millis(1);

/// One that waits for most of its time stays there: of what it has held, this part of the time that it waits is forgotten. Never
/// more than it has held, so that nobody saves up.
const FORGOTTEN_PART: u32 = 8;

/// The niceness of the second set: the share of a processor that one of its threads gets beside a busy one of ordinary
/// priority is about a tenth. Source: the kernel's table of weights, where each step is a quarter.
#[cfg(target_os = "linux")]
const LONG_NICENESS: i32 = 10;

/// Threads of each set for what blocks: files, and look-ups of names. What guests have there at once is bounded by this, not
/// by their limits of processor time.
const BLOCKING_THREADS: usize = 16;

/// An executor for guests; its threads end when it is dropped.
pub(super) struct Executor {
    first: Threads,
    long: Threads,
}

impl Executor {
    /// Starts two sets of `threads` threads, at least one.
    pub(super) fn new(threads: usize) -> Result<Self, io::Error> {
        let first = Threads::start("guest", threads, || {})?;
        let long = Threads::start("guest-long", threads, || {
            // Elsewhere than on Linux it would be that of the whole process. Without it those that compute have the same share
            // as the others.
            #[cfg(target_os = "linux")]
            if let Err(error) = rustix::process::nice(LONG_NICENESS) {
                tracing::debug!(%error, "a guest's thread keeps its priority");
            }
        })?;
        Ok(Self { first, long })
    }

    /// Runs a future on these threads.
    pub(super) fn spawn<F>(&self, future: Pin<Box<F>>) -> JoinHandle<Result<F::Output, JoinError>>
    where
        F: Future<Output: Send> + Send + ?Sized + 'static,
    {
        let long = self.long.handle.clone();
        self.first.handle.spawn(async move {
            match (Slice { future: Some(future), held: Duration::ZERO, left: Instant::now() }).await {
                Ended::Here(output) => Ok(output),
                Ended::Slice(rest) => long.spawn(rest).await,
            }
        })
    }
}

/// One set of threads.
struct Threads {
    /// Taken only by `drop`, which may run inside another runtime and must not block there.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Threads {
    fn start(name: &str, threads: usize, on_start: impl Fn() + Send + Sync + 'static) -> Result<Self, io::Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name(name)
            .on_thread_start(on_start)
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            // Timers are looked at after this many polls, and a guest that computes takes an epoch's tick for each.
            .event_interval(4)
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The first slice of a future's run.
struct Slice<F: ?Sized> {
    /// `None` once it has ended.
    future: Option<Pin<Box<F>>>,
    held: Duration,
    /// When it last gave its thread back.
    left: Instant,
}

/// How it ended.
enum Ended<F: Future + ?Sized> {
    /// With the future.
    Here(F::Output),
    /// The future goes on.
    Slice(Pin<Box<F>>),
}

impl<F: Future + ?Sized> Future for Slice<F> {
    type Output = Ended<F>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended<F>> {
        // By the clock on the wall, which costs a tenth of what the thread's own clock does: one whose thread the system has held
        // up may move too early.
        let polled = Instant::now();
        self.held = self.held.saturating_sub(polled.duration_since(self.left) / FORGOTTEN_PART);
        let Some(mut future) = self.future.take() else { return Poll::Pending };
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ended::Here(output));
        }
        let left = Instant::now();
        self.held += left.duration_since(polled);
        self.left = left;
        if self.held >= FIRST_SLICE {
            return Poll::Ready(Ended::Slice(future));
        }
        self.future = Some(future);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compute(time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time {}
    }

    fn thread() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn one_that_has_just_come_is_on_the_first_threads_and_one_that_computes_goes_on_elsewhere() {
        let executor = Executor::new(1).unwrap();
        let short = executor.spawn(Box::pin(async { thread() }));
        assert_eq!(short.await.unwrap().unwrap(), "guest");
        let long = executor.spawn(Box::pin(async {
            // What it waits for saves up nothing.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let began = thread();
            compute(2 * FIRST_SLICE);
            tokio::task::yield_now().await;
            (began, thread())
        }));
        assert_eq!(long.await.unwrap().unwrap(), ("guest".into(), "guest-long".into()));
    }

    #[tokio::test]
    async fn the_time_that_it_waits_is_forgiven_and_no_more() {
        let mut slice = Slice {
            future: Some(Box::pin(std::future::pending::<()>())),
            held: FIRST_SLICE - Duration::from_nanos(1),
            left: Instant::now().checked_sub(Duration::from_secs(60)).unwrap(),
        };
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut slice).poll(&mut context).is_pending());
        assert!(slice.held < FIRST_SLICE);
        slice.held = 2 * FIRST_SLICE;
        slice.left = Instant::now();
        assert!(Pin::new(&mut slice).poll(&mut context).is_ready());
    }
}
