//! What one execution used, as the answers about attempts have it.

use entity::attempt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What one execution used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptView {
    /// Processor time, in microseconds.
    cpu_us: i64,
    /// From the beginning of the attempt to its end, in microseconds.
    wall_us: Option<i64>,
    /// The most memory at once, in bytes.
    memory_bytes: Option<i64>,
    /// The payload's length, in bytes.
    payload_bytes: Option<i64>,
    /// The result's length, in bytes.
    result_bytes: Option<i64>,
    /// What was written to stdout and stderr, in bytes. The text itself is at `/v1/tasks/{id}/logs`.
    log_bytes: Option<i64>,
    /// What went over HTTP; none if nothing did.
    http: Option<HttpReceiptView>,
}

/// What went over HTTP: the stored JSON.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HttpReceiptView {
    /// Requests that were sent.
    requests: u32,
    /// Bytes of their heads and bodies.
    sent_bytes: u64,
    /// Bytes of the answers' heads and bodies.
    received_bytes: u64,
    /// The hosts, as `host:port`, each once.
    hosts: Vec<String>,
}

impl ReceiptView {
    /// The receipt of an attempt; none if nothing was executed, or nothing is known of it.
    pub(super) fn of(row: &attempt::Model) -> Option<Self> {
        Some(Self {
            cpu_us: row.cpu_us?,
            wall_us: row.finished_at.and_then(|end| (end - row.started_at).num_microseconds()),
            memory_bytes: row.memory_bytes,
            payload_bytes: row.payload_bytes,
            result_bytes: row.result_bytes,
            log_bytes: row.log_bytes,
            http: row.http.as_ref().and_then(|http| HttpReceiptView::deserialize(http).ok()),
        })
    }
}
