//! When a state may take the place of a stored one, in SQL: the same words for both databases.
//!
//! The rule is that of `TaskRow::yields_to` and `TaskRow::absorb`; the tests compare the two, state by state.

/// The columns that say what the task is, and when it was last begun: a later state that does not know them leaves them as they are.
pub(super) const KEPT: [&str; 7] =
    ["correlation_id", "producer_app", "task_name", "payload", "message_id", "routing_key", "started_at"];

/// The columns that say where the task stands, and which attempt is kept there: a later state sets them, with [`RECEIPT`].
/// `created_at` is in neither list.
pub(super) const SET: [&str; 8] =
    ["status", "result", "error", "attempt", "component_digest", "runtime_id", "finished_at", "id_attempt"];

/// The columns that say what an attempt used and wrote, in both tables.
pub(super) const RECEIPT: [&str; 7] =
    ["cpu_us", "memory_bytes", "payload_bytes", "result_bytes", "log_bytes", "http", "log"];

/// Whether the stored row yields to the one that comes.
pub(super) const YIELDS: &str = "task_store.status <> 'COMPLETED' AND (\
     excluded.status IN ('COMPLETED', 'FAILED', 'CANCELLED') \
     OR (task_store.status IN ('PENDING', 'RUNNING') AND task_store.attempt <= excluded.attempt AND NOT (\
         excluded.status = 'RUNNING' AND excluded.attempt = task_store.attempt \
         AND task_store.status = 'PENDING' AND task_store.error IS NOT NULL \
         AND coalesce(excluded.started_at <= task_store.started_at, false))) \
     OR (task_store.status IN ('FAILED', 'CANCELLED') AND task_store.finished_at <= excluded.started_at))";

/// What a column of [`KEPT`] becomes.
pub(super) fn kept(column: &str) -> String {
    format!("coalesce(excluded.{column}, task_store.{column})")
}

/// The columns of `task_attempt` that a later state of the same attempt sets, with [`RECEIPT`].
pub(super) const ATTEMPT_SET: [&str; 6] =
    ["component_digest", "started_at", "finished_at", "outcome", "error_class", "error"];

/// Whether the stored attempt yields to the one that comes: its end is told once, also after it was given up for lost.
pub(super) const ATTEMPT_YIELDS: &str = "task_attempt.outcome IN ('RUNNING', 'LOST')";
