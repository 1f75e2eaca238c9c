//! Asks a person before something is done that can't be undone.

use std::io::{IsTerminal, Write};

use anyhow::bail;

/// Whether the person at the terminal says yes to doing that (`remove`, `throw away`) to `what`.
///
/// # Errors
/// If nobody is there to ask.
pub(super) fn confirm(verb: &str, what: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to ask whether to {verb} {what}: --yes does without");
    }
    let (first, rest) = verb.split_at_checked(1).unwrap_or_default();
    write!(anstream::stderr().lock(), "{}{rest} {what}? [y/N] ", first.to_uppercase())?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
