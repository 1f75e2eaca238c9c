//! How commands print the attempts at a task, each with its receipt.

use bytesize::ByteSize;
use serde_json::Value;

use super::output;

/// So many lines at the end of what a guest wrote are shown with its attempt; `warren task logs` has all that is kept.
const LOG_LINES: usize = 10;

/// A line for each attempt, one or two for what it used, and the last of what its guest wrote.
pub(super) fn print(attempts: &[Value]) -> std::io::Result<()> {
    for attempt in attempts {
        let words = [heading(attempt), output::text(attempt, "error_class"), output::text(attempt, "error")];
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        output::print_text(&format!("{:<17} {}", "", words.join("  ")))?;
        for line in attempt.get("receipt").into_iter().flat_map(used) {
            output::print_text(&format!("{:<19} {line}", ""))?;
        }
        let log = output::harmless(&output::text(attempt, "log").replace("\r\n", "\n"));
        let lines: Vec<_> = log.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES)) {
            output::print_text(&format!("{:<19} | {line}", ""))?;
        }
    }
    Ok(())
}

/// Which attempt it is, how it stands, when it began and how long it took.
pub(super) fn heading(attempt: &Value) -> String {
    let words = [
        format!("attempt {}", output::text(attempt, "attempt")),
        output::text(attempt, "outcome"),
        output::time(&output::text(attempt, "started_at")),
        output::took(&output::text(attempt, "started_at"), &output::text(attempt, "finished_at")),
    ];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("  ")
}

/// What a receipt says, in words.
pub(super) fn used(receipt: &Value) -> Vec<String> {
    let Some(cpu) = receipt.get("cpu_us").and_then(Value::as_u64) else { return Vec::new() };
    let bytes = |of: &Value, name| ByteSize(of.get(name).and_then(Value::as_u64).unwrap_or_default());
    let wall = receipt.get("wall_us").and_then(Value::as_u64).map(output::duration).unwrap_or_default();
    let mut lines = vec![format!(
        "used {} of processor time in {wall}, {} of memory; payload {}, result {}, log {}",
        output::duration(cpu),
        bytes(receipt, "memory_bytes"),
        bytes(receipt, "payload_bytes"),
        bytes(receipt, "result_bytes"),
        bytes(receipt, "log_bytes"),
    )];
    if let Some(http) = receipt.get("http").filter(|http| http.is_object()) {
        let hosts = http.get("hosts").and_then(Value::as_array).into_iter().flatten();
        let hosts: Vec<_> = hosts.filter_map(Value::as_str).collect();
        lines.push(format!(
            "HTTP requests: {}, {} sent, {} received; {}",
            output::text(http, "requests"),
            bytes(http, "sent_bytes"),
            bytes(http, "received_bytes"),
            hosts.join(", "),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_receipt_is_told_in_words() {
        let receipt = json!({
            "cpu_us": 1_200, "wall_us": 900, "memory_bytes": 65_536, "payload_bytes": 7, "result_bytes": 2, "log_bytes": 0,
            "http": { "requests": 2, "sent_bytes": 300, "received_bytes": 2_048, "hosts": ["a.example.com:443", "10.0.0.7:80"] },
        });
        assert_eq!(
            used(&receipt),
            [
                "used 1 ms of processor time in 900 µs, 64.0 KiB of memory; payload 7 B, result 2 B, log 0 B",
                "HTTP requests: 2, 300 B sent, 2.0 KiB received; a.example.com:443, 10.0.0.7:80",
            ]
        );
        assert!(used(&Value::Null).is_empty());
    }
}
