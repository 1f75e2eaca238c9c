//! Numbers and times as people read them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// In whole seconds, and from a day on in whole minutes.
pub(super) fn age(time: TimeDelta) -> String {
    let seconds = u64::try_from(time.num_seconds()).unwrap_or_default();
    let seconds = if seconds >= 24 * 60 * 60 { seconds - seconds % 60 } else { seconds };
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

pub(super) fn took(micros: i64) -> String {
    let micros = u64::try_from(micros).unwrap_or_default();
    let unit = if micros < 1_000_000 { 1_000 } else { 1_000_000 };
    let (whole, tenth) = (micros / unit, micros % unit * 10 / unit);
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{whole}.{tenth} ms"),
        10_000..1_000_000 => format!("{whole} ms"),
        _ => format!("{}.{tenth} s", thousands(&whole.to_string())),
    }
}

/// With a decimal where that says something.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        0.0 => "0".to_owned(),
        few if few < 10.0 => format!("{few:.1}"),
        many => thousands(&format!("{many:.0}")),
    }
}

/// A comma before each three digits.
pub(super) fn thousands(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
