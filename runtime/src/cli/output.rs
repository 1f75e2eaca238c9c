//! How commands print: tables for people, JSON for programs, errors as a chain. Colours only on a terminal.

use std::{io::Write, process::ExitCode};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// The flag that every command has that reads.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Output {
    /// How to print: a table for people, or JSON for programs
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(super) output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Table,
    Json,
}

impl Output {
    /// Prints a list: as a table with these columns, or as a JSON array.
    pub(super) fn print<T>(
        &self,
        columns: &[&str],
        items: &[T],
        row: impl Fn(&T) -> Vec<String>,
        json: impl Fn(&T) -> Value,
    ) -> std::io::Result<()> {
        match self.output {
            Format::Json => print_json(&items.iter().map(json).collect()),
            Format::Table => {
                let mut table = Table::new();
                table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
                table.set_header(columns.iter().map(|name| name.to_uppercase()));
                table.add_rows(items.iter().map(row));
                // Each line begins with the padding of the first column.
                let lines: Vec<_> = table.lines().map(|line| line.trim().to_owned()).collect();
                print_text(&lines.join("\n"))
            }
        }
    }
}

/// Prints one JSON value, indented.
pub(super) fn print_json(value: &Value) -> std::io::Result<()> {
    print_text(&format!("{value:#}"))
}

/// Prints a text and a line's end.
pub(super) fn print_text(text: &str) -> std::io::Result<()> {
    match writeln!(anstream::stdout().lock(), "{text}") {
        // Who pipes into `head` has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Tells a person something beside a command's output: a line on stderr.
pub(super) fn tell(text: &str) -> std::io::Result<()> {
    writeln!(anstream::stderr().lock(), "{text}")
}

/// Tells a person of something that may be wrong, and is no error.
pub(super) fn print_warning(text: &str) -> std::io::Result<()> {
    let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    tell(&format!("{style}warning:{style:#} {text}"))
}

/// A task's status, or what a check found, in its colour.
pub(super) fn styled(status: &str) -> String {
    let colour = match status {
        "COMPLETED" | "ok" | "right" | "declared" | "provided" | "granted" => AnsiColor::Green,
        "FAILED" | "CANCELLED" | "WRONG" | "missing" | "unusable" | "not provided" => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    let style = Style::new().fg_color(Some(colour.into()));
    format!("{style}{status}{style:#}")
}

/// Prints an error with its causes, and gives the exit code.
pub(super) fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    print_error(error);
    ExitCode::from(code)
}

/// Prints an error with its causes.
pub(super) fn print_error(error: &anyhow::Error) {
    let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    // Names in it may be a stranger's: of a component, of what it imports, of a key in its manifest.
    let mut text = format!("{style}error:{style:#} {}", harmless(&error.to_string()));
    for cause in error.chain().skip(1) {
        let cause = harmless(&cause.to_string());
        // A type that shows its source in its own text would say everything twice.
        if !text.contains(&cause) {
            text.push_str(&format!("\n  caused by: {cause}"));
        }
    }
    // Nobody is left to tell where stderr is closed.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A time as people read it, without its fraction.
pub(super) fn time(rfc3339: &str) -> String {
    let parsed = chrono::DateTime::parse_from_rfc3339(rfc3339);
    parsed.map(|time| time.format("%Y-%m-%d %H:%M:%SZ").to_string()).unwrap_or_default()
}

/// How long something took, from its beginning to its end; empty where one is missing.
pub(super) fn took(start: &str, end: &str) -> String {
    let parse = chrono::DateTime::parse_from_rfc3339;
    let (Ok(start), Ok(end)) = (parse(start), parse(end)) else { return String::new() };
    duration((end - start).num_microseconds().and_then(|micros| u64::try_from(micros).ok()).unwrap_or_default())
}

/// A number of microseconds as people read it.
pub(super) fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => humantime::format_duration(std::time::Duration::from_millis(micros / 1_000)).to_string(),
    }
}

/// The beginning of a text, for a table's cell.
pub(super) fn shortened(text: &str) -> String {
    const WIDTH: usize = 60;
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// What a field says, as text; empty where it says nothing.
pub(super) fn text(object: &Value, field: &str) -> String {
    match object.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// What a stranger has written, for a terminal: what would move the cursor or change colours is spelled out.
pub(super) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => harmless.push(c),
            c if c.is_control() => harmless.extend(c.escape_default()),
            c => harmless.push(c),
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_can_not_command_the_terminal() {
        assert_eq!(harmless("a\tb\n\u{1b}[2Jé\r\u{9b}"), "a\tb\n\\u{1b}[2Jé\\r\\u{9b}");
    }
}
