//! Asks a person before something is done that can't be undone.

use std::io::{IsTerminal, Write};

use anyhow::bail;

/// Whether the person at the terminal says yes to `question`.
///
/// # Errors
/// If nobody is there to ask.
pub(super) fn confirm(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to ask: {question} --yes does without");
    }
    write!(anstream::stderr().lock(), "{question} [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
