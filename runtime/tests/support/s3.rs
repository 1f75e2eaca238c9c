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

/// The same by another port: that of who stands before it.
pub fn variables(port: u16) -> Vec<(String, String)> {
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
    state: Arc<Mutex<State>>,
}

/// What becomes of requests.
struct State {
    upstream: u16,
    way: Way,
    /// Those that are held stay open until it is known what becomes of them: the client waits for an answer.
    held: Vec<(Vec<u8>, TcpStream)>,
}

#[derive(Clone, Copy)]
enum Way {
    /// Those with this text are held.
    Held(&'static str),
    /// All pass; their heads are changed.
    Open(fn(Vec<u8>) -> Vec<u8>),
    /// None is answered, as by a server that is gone.
    Gone,
}

impl Gate {
    pub fn before(server: &S3, text: &'static str) -> Self {
        Self::with(server, Way::Held(text))
    }

    /// Takes the condition out of each request that has one, as a server does that does not know it.
    pub fn careless(server: &S3) -> Self {
        Self::with(
            server,
            Way::Open(|head| {
                let text = String::from_utf8(head).expect("a head is text");
                text.replace("if-none-match:", "x-nothing:").into_bytes()
            }),
        )
    }

    fn with(server: &S3, way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { upstream: server.port, way, held: Vec::new() }));
        let (sender, held) = channel();
        let shared = state.clone();
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (sender, shared) = (sender.clone(), shared.clone());
                thread::spawn(move || {
                    let Some((head, socket)) = read_head(socket) else { return };
                    let first = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
                    let mut state = shared.lock().unwrap();
                    match state.way {
                        Way::Held(text) if first.contains(text) => {
                            state.held.push((head, socket));
                            // Nobody may be waiting for it any more.
                            let _ = sender.send(first);
                        }
                        Way::Held(_) => state.pass(head, socket),
                        Way::Open(change) => state.pass(change(head), socket),
                        Way::Gone => {}
                    }
                });
            }
        });
        Self { port, held: Mutex::new(held), state }
    }

    pub fn variables(&self) -> Vec<(String, String)> {
        variables(self.port)
    }

    /// Waits for a request that is held, and gives its first line.
    pub fn wait(&self, patience: Duration) -> String {
        self.held.lock().unwrap().recv_timeout(patience).expect("a request was held")
    }

    /// Hangs up on those that are held, and on all that come from now on.
    pub fn hang_up(&self) {
        let mut state = self.state.lock().unwrap();
        state.way = Way::Gone;
        state.held.clear();
    }

    /// Lets those pass that are held, and all that come from now on.
    pub fn open(&self) {
        let mut state = self.state.lock().unwrap();
        state.way = Way::Open(|head| head);
        for (head, socket) in std::mem::take(&mut state.held) {
            state.pass(head, socket);
        }
    }
}

impl State {
    fn pass(&self, head: Vec<u8>, socket: TcpStream) {
        let upstream = self.upstream;
        thread::spawn(move || pass(upstream, &head, socket));
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
