//! An S3-compatible server as a process of its own, with one bucket.

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

/// The server; it ends with this.
pub struct S3 {
    child: Child,
    port: u16,
}

impl S3 {
    /// Starts one. `None`, told aloud, if `make test` has not installed it; an error where everything has to run.
    pub fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("WARREN_TEST_S3").map(PathBuf::from) else {
            eprintln!("SKIPPED: WARREN_TEST_S3 is not set; `make test` sets it");
            assert!(std::env::var_os("WARREN_TEST_STRICT").is_none(), "WARREN_TEST_S3 is not set");
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/s3_server.py");
        let mut command = Command::new(python);
        command.arg(script).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("it prints its port");
        let server = Self { child, port: line.trim().parse().expect("a port") };
        // It looks at no signature, but a request has to have one.
        let head = "PUT /components HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none\r\n\r\n";
        let (mut socket, mut answer) = (TcpStream::connect(("127.0.0.1", server.port)).unwrap(), String::new());
        socket.write_all(head.as_bytes()).unwrap();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
        Some(server)
    }

    /// What a process needs in its environment to use it.
    pub fn variables(&self) -> Vec<(String, String)> {
        variables(self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it for good.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it has ended");
    }

    /// Stops or continues its execution: it takes connections and answers nothing.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("there is a kill").success());
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn variables(port: u16) -> Vec<(String, String)> {
    let pairs = [
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_ALLOW_HTTP", "true".into()),
        ("AWS_ACCESS_KEY_ID", "key".into()),
        ("AWS_SECRET_ACCESS_KEY", "secret".into()),
        ("AWS_REGION", "us-east-1".into()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// Stands before the server and lets no request through whose first line holds some text.
pub struct Gate {
    pub port: u16,
    held: Mutex<Receiver<String>>,
}

impl Gate {
    pub fn before(server: &S3, text: &'static str) -> Self {
        Self::with(server, Some(text), |head| head)
    }

    /// Takes the condition out of each request that has one, as a server does that does not know it.
    pub fn careless(server: &S3) -> Self {
        Self::with(server, None, |head| {
            let text = String::from_utf8(head).expect("a head is text");
            text.replace("if-none-match:", "x-nothing:").into_bytes()
        })
    }

    fn with(server: &S3, text: Option<&'static str>, change: fn(Vec<u8>) -> Vec<u8>) -> Self {
        let (listener, upstream) = (TcpListener::bind("127.0.0.1:0").unwrap(), server.port);
        let port = listener.local_addr().unwrap().port();
        let (sender, held) = channel();
        thread::spawn(move || {
            // What is held stays open until the process ends: the client waits for an answer.
            let open = Arc::new(Mutex::new(Vec::new()));
            for socket in listener.incoming().map_while(Result::ok) {
                let (sender, open) = (sender.clone(), open.clone());
                thread::spawn(move || {
                    let Some((head, socket)) = read_head(socket) else { return };
                    let first = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
                    if text.is_some_and(|text| first.contains(text)) {
                        open.lock().unwrap().push(socket);
                        // Nobody may be waiting for it any more.
                        let _ = sender.send(first);
                    } else {
                        pass(upstream, &change(head), socket);
                    }
                });
            }
        });
        Self { port, held: Mutex::new(held) }
    }

    pub fn variables(&self) -> Vec<(String, String)> {
        variables(self.port)
    }

    /// Waits for a request that is held, and gives its first line.
    pub fn wait(&self, patience: Duration) -> String {
        self.held.lock().unwrap().recv_timeout(patience).expect("a request was held")
    }
}

fn read_head(mut socket: TcpStream) -> Option<(Vec<u8>, TcpStream)> {
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match socket.read(&mut buffer).ok()? {
            0 => return None,
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    Some((head, socket))
}

/// The server closes a connection after its answer: one request each.
fn pass(upstream: u16, head: &[u8], mut client: TcpStream) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", upstream)) else { return };
    let (Ok(mut up), Ok(mut from)) = (server.try_clone(), client.try_clone()) else { return };
    if up.write_all(head).is_err() {
        return;
    }
    thread::spawn(move || std::io::copy(&mut from, &mut up));
    // The client sees an answer that is cut off, if it is.
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
}
