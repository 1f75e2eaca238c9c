//! Components over HTTP: who may change them, what is let in, and what becomes of uploads that are cut off, slow, wrong or
//! too large. All against the real binary.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "upload/between.rs"]
mod between;
#[path = "upload/body.rs"]
mod body;
#[path = "upload/browser.rs"]
mod browser;
#[path = "support/database.rs"]
mod database;
#[path = "upload/full_disk.rs"]
mod full_disk;
#[path = "support/guest.rs"]
mod guest;
#[path = "upload/killed.rs"]
mod killed;
#[path = "upload/outage.rs"]
mod outage;
#[path = "support/process.rs"]
mod process;
#[path = "upload/pushed.rs"]
mod pushed;
#[path = "upload/runtimes.rs"]
mod runtimes;
#[path = "support/s3.rs"]
mod s3;
#[path = "support/small_disk.rs"]
mod small_disk;
#[path = "support/stack.rs"]
mod stack;
#[path = "upload/tokens.rs"]
mod tokens;
#[path = "../../event-driven/tests/support/vhost.rs"]
mod vhost;

use std::{fs, io::Read, io::Write, net::TcpStream, process::Command};

use process::{PATIENCE, Process, compiled, warren};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use warren::config::TokenHash;

/// The token that may write in these tests.
const TOKEN: &str = "wrn_test-token";

/// A `warren dev` with an empty folder of components.
struct Site {
    folder: TempDir,
    http: Client,
    warren: Process,
}

impl Site {
    /// One that knows no token: whoever is on this machine may write.
    fn open(settings: &[(&str, &str)]) -> Self {
        Self::start("", settings, &[])
    }

    /// One on which only [`TOKEN`] may write.
    fn guarded(settings: &[(&str, &str)]) -> Self {
        Self::start(&token("ci", TOKEN, "scopes = ['components:write']"), settings, &[])
    }

    fn start(file: &str, settings: &[(&str, &str)], args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("warren.toml"), file).unwrap();
        let mut command = dev(&folder);
        command.args(args).envs(settings.iter().copied());
        warren::tls::install_ring();
        let http = Client::builder().no_proxy().build().unwrap();
        Self { folder, http, warren: Process::start(command) }
    }

    /// `kill -9`, and another one on what is left.
    fn kill_and_restart(&mut self) {
        self.warren.signal("KILL");
        self.warren.wait();
        self.warren = Process::start(dev(&self.folder));
    }

    /// A request, with [`TOKEN`].
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/v1/components{path}", self.warren.url)).bearer_auth(TOKEN)
    }

    async fn put(&self, name: &str, bytes: impl Into<reqwest::Body>) -> (StatusCode, Value) {
        send(self.request(Method::PUT, &format!("/{name}")).body(bytes)).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        send(self.request(Method::GET, path)).await
    }

    /// What a task of that component ends with.
    async fn task(&self, name: &str) -> Value {
        let request = self.http.post(format!("{}/v1/tasks?wait=120s", self.warren.url));
        send(request.json(&json!({ "task_name": name, "payload": {} }))).await.1
    }

    /// The server's `host:port`.
    fn addr(&self) -> &str {
        self.warren.url.trim_start_matches("http://")
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// That nothing was stored: no version, no file.
    async fn assert_empty(&self) {
        assert_eq!(self.get("").await.1["items"], json!([]));
        let folder = self.folder.path().join("components");
        let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, Vec::<std::path::PathBuf>::new());
    }
}

/// `warren dev` in this folder.
fn dev(folder: &TempDir) -> Command {
    let mut command = warren();
    command.arg("dev").current_dir(folder.path()).env("WARREN_COMPONENTS_CACHE", compiled());
    command.env("WARREN_RETRY_RETRIES", "0").env("WARREN_COMPONENTS_COMPILE_TIME", "5min");
    command
}

/// The answer's status, and what it has: JSON, or nothing.
async fn send(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let (status, body) = (response.status(), response.bytes().await.unwrap());
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// Sends these bytes, and reads the answer to its end.
fn raw(mut stream: TcpStream, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    answer(&mut stream)
}

/// The answer, up to where the server closes or says no more.
fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
        }
    }
    String::from_utf8(answer).unwrap()
}

/// The lines of a token in `warren.toml`.
fn token(name: &str, token: &str, more: &str) -> String {
    format!("[[http.tokens]]\nname = '{name}'\nsha256 = '{}'\n{more}\n", TokenHash::of(token).to_hex())
}

/// A component that answers with a text.
fn answering(text: &str) -> Vec<u8> {
    let memory = format!(r#"(memory (export "memory") 1) (data (i32.const 64) "\"{text}\"")"#);
    guest::guest_with(&memory, &guest::answer(64, u32::try_from(text.len() + 2).unwrap()))
}

#[track_caller]
fn assert_refused((status, problem): (StatusCode, Value), expected: StatusCode, told: &str) {
    assert_eq!(status, expected, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(told), "{problem}");
}
