//! The figures of a measurement for people.

use bytesize::ByteSize;

use crate::{
    bench::{BurnDown, Latency, Report, Share},
    cli::output::{self, Format, Output},
};

/// Where nothing is known.
const UNKNOWN: &str = "-";

/// Prints it all.
pub(super) fn print(report: &Report) -> std::io::Result<()> {
    output::print_text(&head(report))?;
    let heaps: Vec<_> = [("tasks", &report.burn_down), ("events", &report.events)]
        .into_iter()
        .filter_map(|(what, heap)| Some((what, heap.as_ref()?)))
        .collect();
    if !heaps.is_empty() {
        let columns = ["burn-down", "published", "first commit after", "committed", "took"];
        section(&columns, &heaps, rates)?;
        let columns = ["processor time for each", "runtime", "broker", "database"];
        section(&columns, &heaps, cpu)?;
        let columns = ["memory of the runtime", "idle", "most", "after"];
        section(&columns, &heaps, |(what, heap)| memory(what, heap, report.idle_bytes))?;
    }
    if let Some(rates) = &report.latency {
        let columns = ["tasks a second", "measured", "p50", "p99", "p99.9", "longest", "answered", "late"];
        section(&columns, rates, latency)?;
    }
    notes(report).iter().try_for_each(|note| output::print_text(&format!("\n{note}")))
}

/// A table below a blank line.
fn section<T>(columns: &[&str], items: &[T], row: impl Fn(&T) -> Vec<String>) -> std::io::Result<()> {
    output::print_text("")?;
    Output { output: Format::Table }.print(columns, items, row, |_| serde_json::Value::Null)
}

fn head(report: &Report) -> String {
    let (machine, task) = (&report.machine, &report.task);
    format!(
        "warren {}{} on {} cores ({} {}), broker: {}, database: {}\n{} with a payload of {} bytes, {} message ids",
        machine.warren,
        if machine.debug_build { " (debug build)" } else { "" },
        machine.cores,
        machine.os,
        machine.arch,
        machine.broker,
        machine.database,
        task.name,
        task.payload_bytes,
        if task.with_ids { "with" } else { "without" },
    )
}

type Heap<'r> = (&'static str, &'r BurnDown);

fn rates((what, heap): &Heap<'_>) -> Vec<String> {
    let rate = |rate: Option<f64>| rate.map_or_else(|| UNKNOWN.to_owned(), |rate| format!("{rate:.0}/s"));
    vec![
        format!("{} {what}", heap.done),
        rate(heap.published_per_second),
        format!("{} ms", heap.first_commit_ms),
        rate(heap.per_second),
        format!("{:.2} s", heap.seconds),
    ]
}

fn cpu((what, heap): &Heap<'_>) -> Vec<String> {
    let share = |share: Share| format!("{:.0} µs ({:.0} %)", share.us_each, share.percent);
    let shown = |known: Option<Share>| known.map_or_else(|| UNKNOWN.to_owned(), share);
    vec![
        (*what).to_owned(),
        shown(heap.cpu.map(|cpu| cpu.runtime)),
        shown(heap.cpu.and_then(|cpu| cpu.broker)),
        shown(heap.cpu.and_then(|cpu| cpu.database)),
    ]
}

fn memory(what: &str, heap: &BurnDown, idle: Option<u64>) -> Vec<String> {
    let shown = |bytes: Option<u64>| bytes.map_or_else(|| UNKNOWN.to_owned(), |bytes| ByteSize(bytes).to_string());
    let memory = heap.memory;
    vec![
        what.to_owned(),
        shown(idle),
        shown(memory.map(|memory| memory.peak_bytes)),
        shown(memory.map(|memory| memory.after_bytes)),
    ]
}

fn latency(rate: &Latency) -> Vec<String> {
    let answered = rate.answered_per_second.map_or_else(|| UNKNOWN.to_owned(), |rate| format!("{rate:.0}/s"));
    vec![
        rate.per_second.to_string(),
        rate.sent.to_string(),
        millis(rate.p50_us),
        millis(rate.p99_us),
        millis(rate.p99_9_us),
        millis(rate.max_us),
        answered,
        rate.late.to_string(),
    ]
}

/// Milliseconds with three digits that count.
fn millis(micros: Option<u64>) -> String {
    let Some(micros) = micros else { return UNKNOWN.to_owned() };
    let millis = micros as f64 / 1e3;
    match micros {
        0..10_000 => format!("{millis:.2} ms"),
        10_000..100_000 => format!("{millis:.1} ms"),
        _ => format!("{millis:.0} ms"),
    }
}

/// What has to be known to read the figures.
fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    for rate in report.latency.iter().flatten() {
        let Latency { per_second, sent, unanswered, late, latest_us, .. } = rate;
        if *unanswered > 0 {
            notes.push(format!(
                "At {per_second} a second, {unanswered} of {sent} were not answered while they were waited for: they count as if \
                 the answer had come then."
            ));
        }
        if *late > 0 {
            notes.push(format!(
                "At {per_second} a second, {late} of {sent} went out late, up to {}: this process did not get its turn. What \
                 they took counts from when they were due.",
                millis(Some(*latest_us))
            ));
        }
    }
    let servers = [&report.burn_down, &report.events].into_iter().flatten().filter_map(|heap| heap.cpu);
    if servers.clone().any(|cpu| cpu.broker.is_some() || cpu.database.is_some()) {
        notes.push(
            "The processor time of the broker and of the database is all that these servers have used.".to_owned(),
        );
    }
    if report.machine.debug_build {
        notes.push("This is a debug build: a release is several times as fast.".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let cases = [(4, "0.00 ms"), (1_734, "1.73 ms"), (12_345, "12.3 ms"), (7_654_321, "7654 ms")];
        for (micros, shown) in cases {
            assert_eq!(millis(Some(micros)), shown);
        }
        assert_eq!(millis(None), "-");
    }
}
