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

/// How long an execution holds threads of the first set, all its polls together. A guest that computes is made to yield by
/// the epoch, so it is at least one tick of that.
const FIRST_SLICE: Duration = Duration::from_millis(1);

/// One that waits for most of its time stays there: it holds a thread for less than this part of it.
const WAITING_PART: u32 = 8;

/// The niceness of the second set: the share of a processor that one of its threads gets beside a busy one of ordinary
/// priority is about a tenth. Source: the kernel's table of weights, where each step is a quarter.
#[cfg(target_os = "linux")]
const LONG_NICENESS: i32 = 10;

/// Threads of each set for what blocks: files, and look-ups of names. What guests have there at once is bounded by this, not by their
/// limits of processor time.
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
    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<Result<F::Output, JoinError>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (long, future) = (self.long.handle.clone(), Box::pin(future));
        self.first.handle.spawn(async move {
            match (Slice { future: Some(future), begun: Instant::now(), held: Duration::ZERO }).await {
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
struct Slice<F> {
    /// `None` once it has ended.
    future: Option<Pin<Box<F>>>,
    begun: Instant,
    held: Duration,
}

/// How it ended.
enum Ended<F: Future> {
    /// With the future.
    Here(F::Output),
    /// The future goes on.
    Slice(Pin<Box<F>>),
}

impl<F: Future> Future for Slice<F> {
    type Output = Ended<F>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended<F>> {
        // By the clock on the wall, which costs a tenth of what the thread's own clock does: a thread that the system held up
        // in between moves its guest too early, and that does no harm.
        let polled = Instant::now();
        let Some(mut future) = self.future.take() else { return Poll::Pending };
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ended::Here(output));
        }
        self.held += polled.elapsed();
        if self.held >= FIRST_SLICE && self.held * WAITING_PART >= self.begun.elapsed() {
            return Poll::Ready(Ended::Slice(future));
        }
        self.future = Some(future);
        Poll::Pending
    }
}
