//! A runtime: the real binary behind proxies of its own, killed, stopped and started again.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{ChildStderr, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    child::OwnedChild,
    executions::{Executions, ProcessId},
    process::warren,
    proxy::Proxy,
    violations::Violations,
};

/// How long a runtime may take to be ready, servers that have to come back included.
const STARTING: Duration = Duration::from_secs(180);

/// How long one may take to stop, beyond its grace.
const STOPPING: Duration = Duration::from_secs(30);

/// What all runtimes have in common.
pub(crate) struct Shared {
    pub(crate) components: PathBuf,
    pub(crate) cache: PathBuf,
    /// Where the logs are kept.
    pub(crate) logs: PathBuf,
    pub(crate) executions: Executions,
    pub(crate) violations: Violations,
    /// Processes that were started.
    pub(crate) started: AtomicUsize,
    /// Of them, those that ended before they were ready: a server was away.
    pub(crate) ended_early: AtomicUsize,
}

/// One of the runtimes.
pub(crate) struct Runtime {
    number: usize,
    shared: Arc<Shared>,
    /// The URLs, both by way of the proxies.
    broker_url: String,
    database_url: String,
    pub(crate) broker: Proxy,
    pub(crate) database: Proxy,
    running: Option<Running>,
}

struct Running {
    id: ProcessId,
    child: OwnedChild,
    ready: Arc<AtomicBool>,
    /// Whether its end is wanted.
    may_end: Arc<AtomicBool>,
    reader: Option<JoinHandle<Vec<String>>>,
}

impl Runtime {
    pub(crate) fn new(number: usize, shared: Arc<Shared>, broker: (Proxy, String), database: (Proxy, String)) -> Self {
        let ((broker, broker_url), (database, database_url)) = (broker, database);
        Self { number, shared, broker_url, database_url, broker, database, running: None }
    }

    /// The process that runs now.
    pub(crate) fn process(&self) -> Option<ProcessId> {
        self.running.as_ref().map(|running| running.id)
    }

    /// Starts it and waits until it is ready. One that ends because a server is away is started again, as whatever
    /// supervises it would do.
    pub(crate) fn start(&mut self, grace: &str) {
        let deadline = Instant::now() + STARTING;
        loop {
            let mut running = self.spawn(grace);
            while !running.ready.load(Ordering::Acquire) && running.child.ended().is_none() {
                // Another process's state, for which there is no event.
                thread::sleep(Duration::from_millis(10));
            }
            if running.ready.load(Ordering::Acquire) {
                self.running = Some(running);
                return;
            }
            self.shared.ended_early.fetch_add(1, Ordering::Relaxed);
            let said = running.said();
            assert!(Instant::now() < deadline, "runtime {} is not ready:\n{}", self.number, said.join("\n"));
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn spawn(&self, grace: &str) -> Running {
        let mut child = OwnedChild::spawn(&mut self.command(grace)).expect("the binary starts");
        let started = self.shared.started.fetch_add(1, Ordering::Relaxed);
        let id = ProcessId { runtime: self.number, started };
        let (ready, may_end) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let reader = Reader { id, shared: self.shared.clone(), ready: ready.clone(), may_end: may_end.clone() };
        let stderr = child.stderr().expect("stderr is a pipe");
        Running { id, child, ready, may_end, reader: Some(thread::spawn(move || reader.read(stderr))) }
    }

    fn command(&self, grace: &str) -> Command {
        let mut command = warren();
        command
            .arg("run")
            .env("RABBITMQ_URL", &self.broker_url)
            .env("DATABASE_URL", &self.database_url)
            // As they are by default: a link that is stalled while it is made is given up within the time that a round takes.
            .env("WARREN_BROKER_CONNECT_TIMEOUT", "5s")
            .env("WARREN_DATABASE_CONNECT_TIMEOUT", "5s")
            .env("WARREN_HTTP_ADDR", "127.0.0.1:0")
            .env("WARREN_COMPONENTS_URL", &self.shared.components)
            .env("WARREN_COMPONENTS_CACHE", &self.shared.cache)
            .env("WARREN_RETRY_RETRIES", crate::kind::RETRIES.to_string())
            .env("WARREN_RETRY_DELAY", "200ms")
            .env("WARREN_LIMITS_TIMEOUT", "6s")
            .env("WARREN_SERVICE_GRACE", grace)
            .env("WARREN_SERVICE_LEASE", "3s")
            .env("WARREN_LOG_FORMAT", "json")
            .env("WARREN_LOG_FILTER", "info,warren::service=debug,lapin=off,sea_orm_migration=warn,sqlx=warn")
            .current_dir(&self.shared.cache)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        running.may_end.store(true, Ordering::Release);
        running.child.kill();
        running.said();
    }

    /// SIGTERM, and waits until it has stopped. Gives the line that says what it left behind.
    pub(crate) fn stop(&mut self, grace: Duration) -> String {
        let Some(mut running) = self.running.take() else { return String::new() };
        running.may_end.store(true, Ordering::Release);
        running.child.signal("TERM");
        let ended = running.child.wait(grace + STOPPING);
        if ended.is_none() {
            self.shared.violations.add(format!("runtime {} did not stop within {:?}", self.number, grace + STOPPING));
            running.child.kill();
        }
        let said = running.said();
        match said.iter().rev().find(|line| line.contains("stopped after ")) {
            Some(line) => line.clone(),
            None => {
                let last = said.iter().rev().take(20).rev().cloned().collect::<Vec<_>>().join("\n");
                self.shared.violations.add(format!("runtime {} did not say how it stopped:\n{last}", self.number));
                String::new()
            }
        }
    }

    /// Stops its threads and lets them go on (`STOP`, `CONT`).
    pub(crate) fn signal(&self, name: &str) {
        if let Some(running) = &self.running {
            running.child.signal(name);
        }
    }
}

impl Running {
    /// What it said, once it has ended: the last lines.
    fn said(&mut self) -> Vec<String> {
        self.reader.take().map(|reader| reader.join().expect("the log is read")).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.may_end.store(true, Ordering::Release);
    }
}

/// Lines that are kept in memory of one process; the file has all.
const KEPT_LINES: usize = 200;

/// Reads a process's log to its end.
struct Reader {
    id: ProcessId,
    shared: Arc<Shared>,
    ready: Arc<AtomicBool>,
    may_end: Arc<AtomicBool>,
}

impl Reader {
    fn read(self, stderr: ChildStderr) -> Vec<String> {
        let ProcessId { runtime, started } = self.id;
        let path = self.shared.logs.join(format!("runtime-{runtime}.log"));
        let mut file = File::options().create(true).append(true).open(path).expect("the log can be written");
        let mut last = std::collections::VecDeque::new();
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Killed in the middle of a line, or a panic, which is no JSON.
            let read: Value = serde_json::from_str(&line).unwrap_or_default();
            self.shared.executions.read(self.id, &read);
            if line.contains("ready; HTTP at ") {
                self.ready.store(true, Ordering::Release);
            }
            if line.contains("panicked at ") {
                self.shared.violations.add(format!("runtime {runtime} panicked: {line}"));
            }
            writeln!(file, "{started} {line}").expect("the log can be written");
            if last.len() == KEPT_LINES {
                last.pop_front();
            }
            last.push_back(line);
        }
        let last = Vec::from(last);
        if self.ready.load(Ordering::Acquire) && !self.may_end.load(Ordering::Acquire) {
            let said = last.iter().rev().take(20).rev().cloned().collect::<Vec<_>>().join("\n");
            self.shared.violations.add(format!("runtime {runtime} ended by itself; it said last:\n{said}"));
        }
        last
    }
}
