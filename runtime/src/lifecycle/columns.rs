//! The columns of the rows that the recorder writes, in the order in which their values are given: the same for all ways of writing
//! ([`super::postgres`], [`super::copy`], [`super::sqlite`]).

/// A column, and the type that its value has for Postgres.
pub(super) type Column = (&'static str, &'static str);

/// In the order of the arguments; then [`RECEIPT_COLUMNS`] of the attempt that is kept in the row.
pub(super) const TASK_COLUMNS: [Column; 17] = [
    ("id_task", "uuid"),
    ("correlation_id", "text"),
    ("producer_app", "text"),
    ("created_at", "timestamptz"),
    ("task_name", "text"),
    ("payload", "text"),
    ("status", "text"),
    ("result", "text"),
    ("error", "text"),
    ("message_id", "text"),
    ("routing_key", "text"),
    ("attempt", "int4"),
    ("component_digest", "text"),
    ("runtime_id", "text"),
    ("started_at", "timestamptz"),
    ("finished_at", "timestamptz"),
    ("id_attempt", "uuid"),
];

/// In the order of the arguments.
pub(super) const EVENT_COLUMNS: [Column; 8] = [
    ("id_event_store", "uuid"),
    ("correlation_id", "text"),
    ("producer_app", "text"),
    ("created_at", "timestamptz"),
    ("headers", "text"),
    ("payload", "text"),
    ("routing_key", "text"),
    ("message_id", "text"),
];

/// In the order of the arguments; then [`RECEIPT_COLUMNS`].
pub(super) const ATTEMPT_COLUMNS: [Column; 10] = [
    ("id_task", "uuid"),
    ("id_attempt", "uuid"),
    ("attempt", "int4"),
    ("runtime_id", "text"),
    ("component_digest", "text"),
    ("started_at", "timestamptz"),
    ("finished_at", "timestamptz"),
    ("outcome", "text"),
    ("error_class", "text"),
    ("error", "text"),
];

/// In the order of the arguments.
pub(super) const RECEIPT_COLUMNS: [Column; 7] = [
    ("cpu_us", "int8"),
    ("memory_bytes", "int8"),
    ("payload_bytes", "int8"),
    ("result_bytes", "int8"),
    ("log_bytes", "int8"),
    ("http", "text"),
    ("log", "text"),
];

/// The columns of a table that has those of a receipt as well.
pub(super) fn with_receipt(columns: &[Column]) -> Vec<Column> {
    [columns, &RECEIPT_COLUMNS].concat()
}

/// A number that counts attempts, as the column has it.
pub(super) fn number(attempt: u32) -> i32 {
    attempt.try_into().unwrap_or(i32::MAX)
}
