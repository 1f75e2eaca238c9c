//! What one execution used: measured by [`crate::sandbox`], kept by [`crate::lifecycle`] with the attempt.

use std::time::Duration;

/// What one execution used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Processor time of the guest and of what the host did for it.
    pub cpu: Duration,
    /// Time by the clock on the wall, from the instance to the result.
    pub wall: Duration,
    /// The most that all memories and tables had together, in bytes.
    pub memory: u64,
    /// The payload's length, in bytes.
    pub payload: u64,
    /// The result's length, in bytes.
    pub result: u64,
    /// What went over HTTP.
    pub http: HttpReceipt,
    /// What was written to stdout and stderr, in bytes.
    pub log_bytes: u64,
    /// The end of that.
    pub log: String,
}

/// What went over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpReceipt {
    /// Requests that were sent.
    pub requests: u32,
    /// Bytes of their heads and bodies.
    pub sent: u64,
    /// Bytes of the answers' heads and bodies.
    pub received: u64,
    /// The hosts, as `host:port`, each once.
    pub hosts: Vec<String>,
}

/// The end of what a guest has written to stdout and stderr.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogTail {
    /// How much it has written, in bytes.
    pub bytes: u64,
    /// The end of that, as text.
    pub text: String,
}
