//! How far something is that takes its time: a bar on stderr, if that is a terminal.

use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressStyle};

/// Files from this size on show how far they are: they are sent in parts.
const SHOWN_FROM: ByteSize = ByteSize::mib(8);

/// A bar for so many bytes; none is shown where there are few.
pub(super) fn bar(size: ByteSize) -> ProgressBar {
    if size < SHOWN_FROM {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(size.as_u64());
    match ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A bar for so many steps of something that a word or two name.
pub(super) fn steps(what: &str, steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps).with_message(what.to_owned());
    match ProgressStyle::with_template("{bar:40} {pos} of {len}, {elapsed}: {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
