//! The runtime under test: a process of its own, which ends with whoever measures it.
//!
//! It is tied by its stdin, which ends when this process does, however that happens: by a signal that nobody can handle, too.

use std::{
    collections::VecDeque,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStderr},
    sync::watch,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::BenchError;

/// Lines of its log that are kept.
const KEPT: usize = 30;

/// How long it may take to be ready: compiling its components on a busy machine, and waiting for its servers.
const READY: Duration = Duration::from_secs(120);

/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(10);

/// How long what it wrote may be on its way after its end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What stands before its address in the line that says that it is ready.
const ADDRESS: &str = "HTTP at ";

type Log = Arc<Mutex<VecDeque<String>>>;

/// A running `warren run` or `warren dev`. Killed if it is dropped.
#[derive(Debug)]
pub struct Subject {
    child: Child,
    begin: Instant,
    log: Log,
    ready: watch::Receiver<Option<String>>,
    reading: AbortOnDropHandle<()>,
}

impl Subject {
    /// Starts it. `command` has to end when its stdin does.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start(command: Command) -> Result<Self, BenchError> {
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        // A Ctrl-C at the terminal is for who measures: what it means for this one is decided there.
        command.process_group(0);
        let begin = Instant::now();
        let mut child = command.spawn().map_err(BenchError::system("the runtime under test can't be started"))?;
        let (log, (told, ready)) = (Log::default(), watch::channel(None));
        let reading = read(child.stderr.take(), Arc::clone(&log), told);
        Ok(Self { child, begin, log, ready, reading: AbortOnDropHandle::new(tokio::spawn(reading)) })
    }

    /// When it was started.
    pub fn begin(&self) -> Instant {
        self.begin
    }

    /// Its process id, while it has not ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it says that it is ready; gives where its HTTP interface is.
    ///
    /// # Errors
    /// If it ends before, or takes too long: with the end of its log.
    pub async fn ready(&mut self) -> Result<String, BenchError> {
        let ready = async {
            let found = self.ready.wait_for(Option::is_some).await;
            found.ok().and_then(|url| url.clone())
        };
        match timeout(READY, ready).await {
            Ok(Some(url)) => Ok(url),
            // Its stderr has ended, and so will it.
            Ok(None) => Err(self.ended().await),
            Err(_) => Err(self.error(format!("was not ready after {} s", READY.as_secs()))),
        }
    }

    /// # Errors
    /// If it has ended by itself.
    pub async fn ensure_runs(&mut self) -> Result<(), BenchError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(_) => Err(self.ended().await),
        }
    }

    /// Lets it stop as it does by itself, and kills it if that takes too long.
    ///
    /// # Errors
    /// If it had to be killed, or failed.
    pub async fn stop(mut self) -> Result<(), BenchError> {
        drop(self.child.stdin.take());
        match timeout(STOP, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(_) => Err(self.ended().await),
            Err(_) => {
                // Dropped, it is killed.
                Err(self.error(format!("did not stop within {} s", STOP.as_secs())))
            }
        }
    }

    pub(super) fn error(&self, what: String) -> BenchError {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        BenchError::Runtime { what, log: log.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n") }
    }

    async fn ended(&mut self) -> BenchError {
        let status = timeout(STOP, self.child.wait()).await;
        // What it has said is there a moment later; a process that it has started may hold its stderr open for longer.
        let _ = timeout(LAST_LINES, &mut self.reading).await;
        self.error(match status {
            Ok(Ok(status)) => format!("has ended ({status})"),
            Ok(Err(_)) | Err(_) => "has closed its stderr".to_owned(),
        })
    }
}

/// Keeps the end of its log, and tells when it is ready.
async fn read(stderr: Option<ChildStderr>, log: Log, ready: watch::Sender<Option<String>>) {
    let Some(stderr) = stderr else { return };
    let mut lines = BufReader::new(stderr).lines();
    // An error is a line that is no text: none of ours.
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, rest)) = line.split_once(ADDRESS) {
            ready.send_replace(rest.split_whitespace().next().map(|url| url.trim_end_matches(['.', ',']).to_owned()));
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == KEPT {
            log.pop_front();
        }
        log.push_back(line);
    }
}
