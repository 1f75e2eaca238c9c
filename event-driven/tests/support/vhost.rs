//! A RabbitMQ virtual host for one test, deleted when the guard drops.
//!
//! The server is the one of `RABBITMQ_URL`, or the one on this machine. Without a server a test fails, it is never
//! skipped. Virtual hosts are made by the management's HTTP API where it is enabled (cheap), else by `rabbitmqctl`.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use event_driven::connection::Address;
use uuid::Uuid;

/// A virtual host of its own.
pub struct Vhost {
    pub name: String,
    server: url::Url,
}

impl Vhost {
    /// Makes it, with all permissions for the URL's user.
    pub fn create() -> Self {
        let server = std::env::var("RABBITMQ_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672".to_owned());
        let vhost = Self {
            name: format!("test-{}", Uuid::now_v7().simple()),
            server: server.parse().expect("RABBITMQ_URL is a URL"),
        };
        let (name, user) = (vhost.name.as_str(), vhost.user());
        let permissions = r#"{"configure":".*","write":".*","read":".*"}"#;
        let made = vhost.http("PUT", &format!("vhosts/{name}"), "{}")
            && vhost.http("PUT", &format!("permissions/{name}/{user}"), permissions);
        if !made {
            rabbitmqctl(&["add_vhost", name]);
            rabbitmqctl(&["set_permissions", "-p", name, &user, ".*", ".*", ".*"]);
        }
        vhost
    }

    /// The URL of this virtual host.
    pub fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// The same, by another port: a proxy's.
    pub fn url_by(&self, port: u16) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(port)).expect("a port");
        url.into()
    }

    pub fn address(&self) -> Address {
        self.url().parse().expect("a URL of AMQP")
    }

    /// `host:port` of the server.
    pub fn server(&self) -> String {
        format!("{}:{}", self.host(), self.server.port().unwrap_or(5672))
    }

    fn host(&self) -> &str {
        self.server.host_str().expect("RABBITMQ_URL has a host")
    }

    pub fn password(&self) -> &str {
        self.server.password().unwrap_or("guest")
    }

    pub fn user(&self) -> String {
        match self.server.username() {
            "" => "guest".to_owned(),
            user => user.to_owned(),
        }
    }

    /// One request to the management; whether it succeeded.
    fn http(&self, method: &str, path: &str, body: &str) -> bool {
        let request = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect((self.host(), 15672))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            let login = format!("{}:{}", self.user(), self.password());
            write!(
                stream,
                "{method} /api/{path} HTTP/1.0\r\nAuthorization: Basic {}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                base64(login.as_bytes()),
                body.len()
            )?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer)?;
            Ok(answer.starts_with(b"HTTP/1.") && answer.get(9) == Some(&b'2'))
        };
        request().unwrap_or(false)
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        if !self.http("DELETE", &format!("vhosts/{}", self.name), "") {
            // A panic in drop would hide why the test failed; a left-over virtual host harms nobody.
            let _ = Command::new("rabbitmqctl").args(["delete_vhost", &self.name]).output();
        }
    }
}

/// Runs `rabbitmqctl`; it must succeed. Gives what it printed.
pub fn rabbitmqctl(arguments: &[&str]) -> String {
    let output = Command::new("rabbitmqctl").args(arguments).output().expect(
        "no RabbitMQ for this test: set RABBITMQ_URL to a server with the management plugin, or run one on this machine",
    );
    assert!(
        output.status.success(),
        "rabbitmqctl {arguments:?} failed; is RabbitMQ running? {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32, shift: u32| char::from(DIGITS[(bits >> shift & 63) as usize]);
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | u32::from(chunk.get(i).copied().unwrap_or(0)));
        text.extend([digit(bits, 18), digit(bits, 12)]);
        text.push(if chunk.len() > 1 { digit(bits, 6) } else { '=' });
        text.push(if chunk.len() > 2 { digit(bits, 0) } else { '=' });
    }
    text
}
