//! Components out of an OCI registry: a real one, and the commands that read from it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "oci/artifacts.rs"]
mod artifacts;
#[path = "oci/damage.rs"]
mod damage;
#[path = "support/guest.rs"]
mod guest;
#[path = "oci/login.rs"]
mod login;
#[path = "support/oci_registry.rs"]
mod oci_registry;
#[path = "support/process.rs"]
mod process;
#[path = "oci/transport.rs"]
mod transport;

use std::{
    fs,
    io::ErrorKind,
    net::TcpListener,
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

use process::{compiled, warren};

/// Somebody with a store of components, and no login but those that a test writes.
struct Author(TempDir);

impl Author {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = warren();
        command.current_dir(self.0.path()).env("DOCKER_CONFIG", self.file("docker"));
        command.env("WARREN_COMPONENTS_CACHE", compiled()).args(args);
        command
    }

    /// Runs it; gives its exit code, stdout and stderr.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        run(&mut self.command(args))
    }

    /// Pushes, and expects that it is refused; gives what is told.
    fn refused(&self, reference: &str) -> String {
        let (code, stdout, stderr) = self.run(&["component", "push", reference]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{reference}: {stderr}");
        assert!(!self.file("components").exists(), "nothing is stored");
        stderr
    }

    /// The names in the store.
    fn names(&self) -> Vec<String> {
        let (code, stdout, stderr) = self.run(&["component", "list", "--output", "json"]);
        assert_eq!(code, 0, "{stderr}");
        let list: Vec<Value> = serde_json::from_str(&stdout).unwrap();
        list.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Writes what `docker login` would have written.
    fn docker_config(&self, config: &Value) {
        fs::create_dir_all(self.file("docker")).unwrap();
        fs::write(self.file("docker/config.json"), config.to_string()).unwrap();
    }
}

/// An address where nobody should come.
struct Trap(TcpListener);

impl Trap {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// Whether nobody has come.
    fn is_untouched(&self) -> bool {
        self.0.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A component that answers with `"hello"`.
fn hello() -> Vec<u8> {
    let memory = r#"(memory (export "memory") 1) (data (i32.const 64) "\"hello\"")"#;
    guest::guest_with(memory, &guest::answer(64, 7))
}
