//! A measurement that is ended in its middle, by a signal that it can handle, and by one that it can't.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use crate::{
    assert_nothing_is_left, bench,
    process::PATIENCE,
    queues,
    refused::{FEW, assert_refused},
    run, schemas,
    stack::Stack,
};

/// A measurement that would go on for long.
struct Measurement {
    bench: Child,
    /// Of the runtime under test.
    runtime: PathBuf,
}

impl Measurement {
    /// Begins one, and waits until its runtime is there.
    async fn begin(stack: &Stack) -> Self {
        let mut command = bench(stack, &["--only", "latency", "--rates", "10", "--seconds", "3600"]);
        let mut bench = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while queues(stack).await.iter().all(|queue| queue.consumers == 0) {
            assert!(bench.try_wait().unwrap().is_none(), "it has ended: {}", told(&mut bench));
            assert!(Instant::now() < deadline, "its runtime does not consume");
            // AMQP tells nobody that a queue is consumed.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let runtime = children(bench.id()).pop().expect("it has a runtime");
        Self { bench, runtime }
    }

    /// Ctrl-C; gives what it said.
    fn interrupt(mut self) -> String {
        let interrupt = rustix::process::Signal::INT;
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.bench), interrupt).unwrap();
        let told = told(&mut self.bench);
        assert_eq!(self.bench.wait().unwrap().code(), Some(1), "{told}");
        assert!(!goes_on(&self.runtime), "the runtime goes on");
        told
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        // It has ended, as a rule.
        let _ = self.bench.kill();
        let _ = self.bench.wait();
    }
}

/// What it writes to stderr until its end.
fn told(bench: &mut Child) -> String {
    let mut told = String::new();
    bench.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    told
}

/// What a process has started, as folders in `/proc`.
fn children(process: u32) -> Vec<PathBuf> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap().map(|task| task.unwrap().path());
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.join("children")).ok());
    lists.flat_map(|ids| ids.split_whitespace().map(|id| PathBuf::from("/proc").join(id)).collect::<Vec<_>>()).collect()
}

/// Whether a process has not ended. One that nobody has asked for its end is still listed.
fn goes_on(process: &Path) -> bool {
    let stat = std::fs::read_to_string(process.join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_leaves_nothing_behind() {
    let stack = Stack::new().await;
    let measurement = Measurement::begin(&stack).await;
    assert_eq!(schemas(&stack).await, 1);
    assert_refused(&mut bench(&stack, &FEW), &["is in use: "]);
    let told = tokio::task::block_in_place(|| measurement.interrupt());
    assert_eq!(told, "SIGINT: removing what was made (once more to leave it behind)\n");
    assert_nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_has_left_behind_that_was_killed_is_removed_by_the_next() {
    let stack = Stack::new().await;
    let mut measurement = Measurement::begin(&stack).await;
    measurement.bench.kill().unwrap();
    measurement.bench.wait().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while goes_on(&measurement.runtime) {
        assert!(Instant::now() < deadline, "the runtime does not end by itself");
        // It is no child of ours.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((schemas(&stack).await, queues(&stack).await.is_empty()), (1, false));

    let (code, _, stderr) = run(&mut bench(&stack, &FEW));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_nothing_is_left(&stack).await;
}
