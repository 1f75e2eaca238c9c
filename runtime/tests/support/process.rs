//! The real binary as a process of its own: started with the settings that a test gives, stopped when it is dropped.

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for what has to happen. Generous: a loaded machine is slow, and a failed test is rare.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// How long what a process wrote may be on its way after its end. A child of its own may hold its stderr open for longer.
const LAST_LINES: Duration = Duration::from_secs(10);

/// The binary, with an environment that holds nothing of the developer's own. RabbitMQ and the database may take their time to
/// take a connection: the first quorum queues of a virtual host do so on a busy machine.
pub fn warren() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().into_owned();
        if text.starts_with("WARREN_") || ["RABBITMQ_URL", "DATABASE_URL", "SERVICE_NAME"].contains(&text.as_str()) {
            command.env_remove(name);
        }
    }
    command.env("WARREN_BROKER_CONNECT_TIMEOUT", "60s").env("WARREN_DATABASE_CONNECT_TIMEOUT", "60s");
    command
}

/// The folder with the compiled components that ship with the project.
pub fn components() -> PathBuf {
    let folder = std::env::var_os("WARREN_TEST_COMPONENTS").map(PathBuf::from).unwrap_or_else(|| {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target = target.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"));
        target.join("components")
    });
    let folder = folder.canonicalize().unwrap_or(folder);
    assert!(folder.join("echo.wasm").is_file(), "there is no {}/echo.wasm: run `make components`", folder.display());
    folder
}

/// The compiled component that tries what it must not be able to do.
pub fn attacker() -> PathBuf {
    let folder = std::env::var_os("WARREN_TEST_GUESTS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| components().with_file_name("guests"));
    let file = folder.join("attacker.wasm");
    assert!(file.is_file(), "there is no {}: run `tasks-wasm/build.sh guests attacker`", file.display());
    file.canonicalize().unwrap_or(file)
}

/// Where tests keep compiled code, so that each component is compiled once.
pub fn compiled() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled")
}

/// Lines that a process has written to its stderr, shared with the thread that reads them.
#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

/// A running `warren run` or `warren dev`.
pub struct Process {
    child: Child,
    log: Arc<Log>,
    /// Where its HTTP interface is: `http://127.0.0.1:port`.
    pub url: String,
}

impl Process {
    /// Starts it on a free port and waits until it says that it is ready.
    pub fn start(command: Command) -> Self {
        let mut process = Self::spawn(command);
        let ready = process.wait_for_line("HTTP at ");
        let url = ready.split("HTTP at ").nth(1).and_then(|rest| rest.split_whitespace().next());
        process.url = url.expect("the line names the address").trim_end_matches(['.', ',']).to_owned();
        process
    }

    /// Starts it and waits for nothing.
    pub fn spawn(mut command: Command) -> Self {
        command.env("WARREN_HTTP_ADDR", "127.0.0.1:0").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let shared = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("warren: {line}");
                shared.lines.lock().unwrap().0.push(line);
                shared.more.notify_all();
            }
            shared.lines.lock().unwrap().1 = true;
            shared.more.notify_all();
        });
        Self { child, log, url: String::new() }
    }

    /// Waits for a line of its log that contains `text`.
    pub fn wait_for_line(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            if let Some(found) = lines.0.iter().find(|line| line.contains(text)) {
                return found.clone();
            }
            assert!(!lines.1, "it ended without saying {text:?}; it said:\n{}", lines.0.join("\n"));
            let left = deadline.checked_duration_since(Instant::now());
            let left = left.unwrap_or_else(|| panic!("it did not say {text:?}; it said:\n{}", lines.0.join("\n")));
            lines = self.log.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Everything that it has logged so far.
    pub fn log(&self) -> String {
        self.log.lines.lock().unwrap().0.join("\n")
    }

    /// Sends it a signal by name (`TERM`, `KILL`).
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("there is a kill").success());
    }

    /// Waits until it has ended, and until all that it said has been read.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                let lines = self.log.lines.lock().unwrap();
                drop(self.log.more.wait_timeout_while(lines, LAST_LINES, |(_, is_all)| !*is_all).unwrap());
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end; it said:\n{}", self.log());
            // A child's end can only be polled for with a time limit.
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
