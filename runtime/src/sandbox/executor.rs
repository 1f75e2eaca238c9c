//! The threads that guests run on: an executor of its own, so that guests never hold up the service's connections,
//! timers and commits.

use std::{future::Future, io};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

/// Threads for what blocks: files, and look-ups of names. What guests have there at once is bounded by this, not by their
/// limits of processor time.
const BLOCKING_THREADS: usize = 16;

/// An executor for guests; its threads end when it is dropped.
pub(super) struct Executor {
    /// Taken only by `drop`, which may run inside another runtime and must not block there.
    runtime: Option<Runtime>,
    handle: tokio::runtime::Handle,
}

impl Executor {
    /// Starts `threads` threads, at least one.
    pub(super) fn new(threads: usize) -> Result<Self, io::Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("guest")
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            // Timers are looked at after this many polls, and a guest that computes takes an epoch's tick for each.
            .event_interval(4)
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs a future on these threads.
    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(future)
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
