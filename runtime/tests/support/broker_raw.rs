//! Publishes what no client library would: bytes of AMQP as they are.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::vhost::Vhost;

/// A channel with confirms, spoken by hand.
pub struct Raw(TcpStream);

impl Raw {
    pub fn connect(vhost: &Vhost) -> Self {
        let stream = TcpStream::connect(vhost.server()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut raw = Self(stream);
        raw.0.write_all(b"AMQP\0\0\x09\x01").unwrap();
        raw.expect(10, 10);
        let login = [&b"\0"[..], vhost.user().as_bytes(), b"\0", vhost.password().as_bytes()].concat();
        let start_ok = [&[0; 4][..], &short(b"PLAIN"), &long(&login), &short(b"en_US")].concat();
        raw.method(0, 10, 11, &start_ok);
        raw.expect(10, 30);
        // 16 channels, frames of 128 KiB, no heartbeats.
        raw.method(0, 10, 31, &[0, 16, 0, 2, 0, 0, 0, 0]);
        raw.method(0, 10, 40, &[&short(vhost.name.as_bytes())[..], b"\0\0"].concat());
        raw.expect(10, 41);
        raw.method(1, 20, 10, b"\0");
        raw.expect(20, 11);
        raw.method(1, 85, 10, b"\0");
        raw.expect(85, 11);
        raw
    }

    /// Publishes to `task.exchange` and waits for the confirm. `properties` begin with their flags.
    pub fn publish_task(&mut self, key: &[u8], properties: &[u8], body: &[u8]) {
        self.method(1, 60, 40, &[&b"\0\0"[..], &short(b"task.exchange"), &short(key), b"\0"].concat());
        let size = (body.len() as u64).to_be_bytes();
        self.frame(2, 1, &[&[0, 60, 0, 0][..], &size, properties].concat());
        self.frame(3, 1, body);
        self.expect(60, 80);
    }

    fn method(&mut self, channel: u8, class: u8, method: u8, arguments: &[u8]) {
        self.frame(1, channel, &[&[0, class, 0, method][..], arguments].concat());
    }

    fn frame(&mut self, kind: u8, channel: u8, payload: &[u8]) {
        self.0.write_all(&[&[kind, 0, channel][..], &long(payload), &[0xce]].concat()).unwrap();
    }

    fn expect(&mut self, class: u8, method: u8) {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).unwrap();
        let mut payload = vec![0; u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize + 1];
        self.0.read_exact(&mut payload).unwrap();
        assert_eq!(payload[..4], [0, class, 0, method], "{}", String::from_utf8_lossy(&payload));
    }
}

pub fn short(text: &[u8]) -> Vec<u8> {
    [&[text.len() as u8][..], text].concat()
}

pub fn long(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text].concat()
}
