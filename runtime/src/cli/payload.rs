//! The flag `--payload`: JSON on the command line, in a file, or on stdin.

use std::io::Read;

use anyhow::Context;
use serde_json::value::RawValue;

/// Reads `JSON`, `@FILE` or `-`, and checks that it is JSON.
pub(super) fn read(payload: &str) -> anyhow::Result<Box<RawValue>> {
    let (text, origin) = match (payload, payload.strip_prefix('@')) {
        ("-", _) => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("stdin can't be read")?;
            (text, "stdin")
        }
        (_, Some(file)) => {
            (std::fs::read_to_string(file).with_context(|| format!("--payload @{file} can't be read"))?, file)
        }
        (text, None) => (text.to_owned(), "--payload"),
    };
    let wrong = || match origin {
        "--payload" => r#"--payload is no JSON: write it as '{"a":1}', or @FILE, or - for stdin"#.to_owned(),
        _ => format!("{origin} is no JSON"),
    };
    serde_json::from_str(&text).with_context(wrong)
}
