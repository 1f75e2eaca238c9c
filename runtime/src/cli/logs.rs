//! `warren task logs`: what the guests of a task wrote to stdout and stderr.

use std::{collections::HashMap, path::Path, process::ExitCode, time::Duration};

use anyhow::Context;
use bytesize::ByteSize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{attempts, output, reader::Reader, settings};

pub(super) const HELP: &str = "\
What is kept is the end, 16 KiB of each attempt. A guest that runs is looked at about once a second. With --follow, JSON comes
as one object a line.

Examples:
  warren task logs 019a3b7c-…
  warren task logs 019a3b7c-… --follow
  warren task logs 019a3b7c-… --attempt 0 --output json";

/// How often it is looked at whether there is more. A runtime writes once a second what a guest has written.
const POLL: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The task's id
    id: Uuid,
    /// Only the attempt with this number, counted from 0
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Go on until the task is over, and print what is new
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    output: output::Output,
}

pub(super) async fn execute(file: Option<&Path>, args: &Args) -> anyhow::Result<ExitCode> {
    let config = settings::load(file, Vec::new())?.config;
    let reader = Reader::open(&config).await?;
    let mut told = HashMap::new();
    loop {
        let logs = reader.logs(args.id, args.attempt).await?;
        let logs = logs.with_context(|| format!("no task has the id {}", args.id))?;
        match args.output.output {
            output::Format::Json if !args.follow => output::print_json(&logs)?,
            format => print_new(&logs, args.follow, format, &mut told)?,
        }
        let is_open = matches!(output::text(&logs, "status").as_str(), "PENDING" | "RUNNING");
        if !args.follow || !is_open {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What was printed of an attempt.
#[derive(Default)]
struct Told {
    outcome: String,
    bytes: u64,
}

/// Prints what is new since the last look, attempt by attempt.
fn print_new(
    logs: &Value,
    follow: bool,
    format: output::Format,
    told: &mut HashMap<String, Told>,
) -> std::io::Result<()> {
    let all = logs.get("attempts").and_then(Value::as_array).into_iter().flatten();
    for attempt in all {
        let told = told.entry(output::text(attempt, "id_attempt")).or_default();
        let (outcome, log) = (output::text(attempt, "outcome"), output::text(attempt, "log"));
        let bytes = attempt.get("log_bytes").and_then(Value::as_u64).unwrap_or_default();
        let new = New::since(told.bytes, bytes, &log, follow && outcome == "RUNNING");
        let has_changed = told.outcome != outcome;
        if new.is_nothing() && !has_changed {
            continue;
        }
        match format {
            output::Format::Json => output::print_text(
                &json!({
                    "id_attempt": attempt.get("id_attempt"), "attempt": attempt.get("attempt"), "outcome": outcome,
                    "left_out_bytes": new.left_out, "log": new.text,
                })
                .to_string(),
            )?,
            output::Format::Table => new.print(attempt, has_changed)?,
        }
        *told = Told { outcome, bytes: new.upto };
    }
    Ok(())
}

/// What a guest has written since the last look.
#[derive(Debug, PartialEq, Eq)]
struct New<'a> {
    /// Bytes that are not kept any more.
    left_out: u64,
    text: &'a str,
    /// How much of all that it has written is told with this.
    upto: u64,
}

impl<'a> New<'a> {
    /// `log` is the end of the `bytes` that were written, of which `told` are told already. Of one that runs, a line that
    /// has not ended waits for its end.
    fn since(told: u64, bytes: u64, log: &'a str, is_running: bool) -> Self {
        let (new, kept) = (bytes.saturating_sub(told), log.len() as u64);
        let surplus = usize::try_from(kept.saturating_sub(new)).unwrap_or(usize::MAX);
        // What is no UTF-8 is longer as text than it was.
        let start = if told == 0 { 0 } else { log.floor_char_boundary(surplus) };
        let text = log.get(start..).unwrap_or_default();
        let waits = if is_running { text.len() - text.rfind('\n').map_or(0, |end| end + 1) } else { 0 };
        let text = text.get(..text.len() - waits).unwrap_or_default();
        let left_out = if text.is_empty() { 0 } else { new.saturating_sub(kept) };
        let upto = if text.is_empty() { told } else { bytes.saturating_sub(waits as u64) };
        Self { left_out, text, upto }
    }

    fn is_nothing(&self) -> bool {
        self.text.is_empty()
    }

    fn print(&self, attempt: &Value, with_heading: bool) -> std::io::Result<()> {
        if with_heading {
            output::print_text(&format!("== {}", attempts::heading(attempt)))?;
        }
        if self.left_out > 0 {
            output::print_text(&format!("({} before this were not kept)", ByteSize(self.left_out)))?;
        }
        match self.text.strip_suffix('\n').unwrap_or(self.text) {
            "" => Ok(()),
            text => output::print_text(&output::harmless(&text.replace("\r\n", "\n"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(told: u64, bytes: u64, log: &str, is_running: bool, expected: (u64, &str, u64)) {
        let New { left_out, text, upto } = New::since(told, bytes, log, is_running);
        assert_eq!((left_out, text, upto), expected);
    }

    #[test]
    fn what_is_new_is_told_once() {
        check(0, 4, "one\n", true, (0, "one\n", 4));
        check(4, 4, "one\n", true, (0, "", 4));
        check(4, 8, "one\ntwo\n", true, (0, "two\n", 8));
        check(4, 8, "one\ntwo\n", false, (0, "two\n", 8));
    }

    #[test]
    fn a_line_that_has_not_ended_waits_for_its_end() {
        check(0, 6, "one\ntw", true, (0, "one\n", 4));
        check(4, 6, "one\ntw", true, (0, "", 4));
        check(4, 6, "one\ntw", false, (0, "tw", 6));
    }

    #[test]
    fn what_was_not_kept_is_counted() {
        check(0, 100, "the end\n", false, (92, "the end\n", 100));
        check(50, 100, "the end\n", true, (42, "the end\n", 100));
    }

    #[test]
    fn what_is_no_utf8_is_told_whole_and_splits_no_character() {
        check(0, 2, "\u{fffd}\n", false, (0, "\u{fffd}\n", 2));
        check(3, 6, "é\né\n", true, (0, "é\n", 6));
        check(4, 6, "é\né\n", true, (0, "é\n", 6));
    }
}
