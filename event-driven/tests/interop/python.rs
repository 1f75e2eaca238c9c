//! Runs the programs of this folder as what they are: services in Python.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{peer::PATIENCE, vhost::Vhost};

/// The interpreter with the packages of `requirements.txt`, which `make test` prepares. A test that can't run says so, and
/// fails where everything has to run.
pub fn interpreter() -> Option<PathBuf> {
    let path = std::env::var_os("WARREN_TEST_PYTHON").map(PathBuf::from);
    if path.is_none() {
        eprintln!("SKIPPED: WARREN_TEST_PYTHON is not set; `make test` sets it");
        assert!(std::env::var_os("WARREN_TEST_STRICT").is_none(), "WARREN_TEST_PYTHON is not set");
    }
    path
}

/// A program that runs; killed when dropped.
pub struct Program {
    name: String,
    child: Child,
    lines: UnboundedReceiver<String>,
}

impl Program {
    pub fn start(python: &Path, name: &str, arguments: &[&str], vhost: &Vhost) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name);
        let mut child = Command::new(python)
            .arg(file)
            .args(arguments)
            .env("RABBITMQ_URL", vhost.url())
            .stdout(Stdio::piped())
            .spawn()
            .expect("WARREN_TEST_PYTHON is an interpreter");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, lines) = unbounded_channel();
        // Ends with the program, or with who reads.
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { name: name.to_owned(), child, lines }
    }

    /// What it prints next, which is JSON.
    pub async fn says(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
        let line = line.unwrap_or_else(|_| panic!("{} says nothing", self.name));
        serde_json::from_str(&line.unwrap_or_else(|| panic!("{} ended", self.name))).expect("JSON")
    }

    /// Waits for its end, which must be a good one.
    pub async fn ends(mut self) {
        let name = self.name.clone();
        let more = tokio::time::timeout(PATIENCE, self.lines.recv()).await.expect("it goes on and on");
        assert_eq!(more, None, "{name} says more");
        let status = tokio::task::spawn_blocking(move || self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{name} failed: {status}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended can't be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
