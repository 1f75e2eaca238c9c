//! When a state may take the place of a stored one, in SQL: an insert's `ON CONFLICT`, in the same words for both databases.
//!
//! The rule is that of `TaskRow::yields_to` and `TaskRow::absorb`; the tests compare the two, state by state.

/// The columns that say what the task is, and when it was last begun: a later state that does not know them leaves them as they are.
const KEPT: [&str; 7] =
    ["correlation_id", "producer_app", "task_name", "payload", "message_id", "routing_key", "started_at"];

/// The columns that say where the task stands, and which attempt is kept there: a later state sets them, with [`RECEIPT`].
/// `created_at` is in neither list.
const SET: [&str; 8] =
    ["status", "result", "error", "attempt", "component_digest", "runtime_id", "finished_at", "id_attempt"];

/// The columns that say what an attempt used and wrote, in both tables.
const RECEIPT: [&str; 7] = ["cpu_us", "memory_bytes", "payload_bytes", "result_bytes", "log_bytes", "http", "log"];

/// Whether the stored row yields to the one that comes.
const YIELDS: &str = "task_store.status <> 'COMPLETED' AND (\
     excluded.status IN ('COMPLETED', 'FAILED', 'CANCELLED') \
     OR (task_store.status IN ('PENDING', 'RUNNING') AND task_store.attempt <= excluded.attempt AND NOT (\
         excluded.status = 'RUNNING' AND excluded.attempt = task_store.attempt \
         AND task_store.status = 'PENDING' AND task_store.error IS NOT NULL \
         AND coalesce(excluded.started_at <= task_store.started_at, false))) \
     OR (task_store.status IN ('FAILED', 'CANCELLED') AND task_store.finished_at <= excluded.started_at))";

/// The columns of `task_attempt` that a later state of the same attempt sets, with [`RECEIPT`].
const ATTEMPT_SET: [&str; 6] = ["component_digest", "started_at", "finished_at", "outcome", "error_class", "error"];

/// Whether the stored attempt yields to the one that comes: its end is told once, also after it was given up for lost.
const ATTEMPT_YIELDS: &str = "task_attempt.outcome IN ('RUNNING', 'LOST')";

/// A task whose row is there has it changed, if that yields.
pub(super) fn conflict_of_tasks() -> String {
    format!("ON CONFLICT (id_task) DO UPDATE SET {}, {} WHERE {YIELDS}", known(&KEPT), set(&SET))
}

/// The same where the row says already what the task is: another row is left as it is. What names a column has its indexes
/// written anew, on SQLite, whether its value changes or not.
pub(super) fn conflict_of_known_tasks() -> String {
    let (changing, [identity @ .., started_at]) = (set(&SET), KEPT);
    let same =
        identity.map(|column| format!("(excluded.{column} IS NULL OR excluded.{column} IS task_store.{column})"));
    let started_at = known(&[started_at]);
    format!("ON CONFLICT (id_task) DO UPDATE SET {started_at}, {changing} WHERE {YIELDS} AND {}", same.join(" AND "))
}

/// A task that had to be new is written only if it is: its row counts as written if it was before, with this very attempt, and only the answer
/// was lost.
pub(super) fn conflict_of_new_tasks() -> &'static str {
    "ON CONFLICT (id_task) DO UPDATE SET id_attempt = excluded.id_attempt WHERE task_store.id_attempt = excluded.id_attempt"
}

/// An attempt whose row is there has it changed, if that yields.
pub(super) fn conflict_of_attempts() -> String {
    format!("ON CONFLICT (id_task, id_attempt) DO UPDATE SET {} WHERE {ATTEMPT_YIELDS}", set(&ATTEMPT_SET))
}

/// Of these columns a state that does not know them changes nothing.
fn known(columns: &[&str]) -> String {
    let known = |column: &&str| {
        let known = format!("coalesce(excluded.{column}, task_store.{column})");
        match *column {
            // The stored one may lie beside the table, compressed. Postgres leaves it there, and out of its log, where it is not set anew.
            "payload" => format!(
                "payload = CASE WHEN excluded.payload = task_store.payload THEN task_store.payload ELSE {known} END"
            ),
            column => format!("{column} = {known}"),
        }
    };
    columns.iter().map(known).collect::<Vec<_>>().join(", ")
}

/// These columns and those of the receipt become what the state says.
fn set(columns: &[&str]) -> String {
    columns.iter().chain(&RECEIPT).map(|column| format!("{column} = excluded.{column}")).collect::<Vec<_>>().join(", ")
}
