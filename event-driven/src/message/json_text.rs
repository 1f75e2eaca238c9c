//! JSON that is carried, not read: checked once, kept as the text that arrived.
//!
//! A payload goes from the broker to the sandbox and into the database as text; building a tree of values on the way
//! would cost more than running a small task does.

use std::{fmt, str::FromStr, sync::Arc};

use serde::Serialize;
use serde_json::value::RawValue;

/// Deepest nesting of arrays and objects: what `serde_json` reads by default, so that whoever reads the text later can.
pub const MAX_DEPTH: usize = 127;

/// One valid JSON value as its text, nested at most [`MAX_DEPTH`] deep. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonText(Arc<str>);

/// Why a text is not JSON that can be carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonTextError {
    /// It is no JSON.
    #[error("is not JSON: {0}")]
    Syntax(String),
    /// A value of Rust can't be written as JSON (a map whose keys are no texts, an error of its own).
    #[error("can't be written as JSON: {0}")]
    Unwritable(String),
    /// It nests too deep.
    #[error("nests arrays and objects deeper than {MAX_DEPTH}")]
    TooDeep,
}

impl JsonText {
    /// The value `null`.
    pub fn null() -> Self {
        Self("null".into())
    }

    /// Checks `text`; white space around the value is dropped.
    ///
    /// # Errors
    /// If `text` is no JSON value or nests too deep.
    pub fn new(text: &str) -> Result<Self, JsonTextError> {
        check_depth(text)?;
        let raw: &RawValue = serde_json::from_str(text).map_err(|e| JsonTextError::Syntax(e.to_string()))?;
        Ok(Self(raw.get().into()))
    }

    /// Writes `value`.
    ///
    /// # Errors
    /// If `value` can't be written as JSON or nests too deep.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonTextError> {
        let text = serde_json::to_string(value).map_err(|e| JsonTextError::Unwritable(e.to_string()))?;
        check_depth(&text)?;
        Ok(Self(text.into()))
    }

    /// Takes what a parser has found to be JSON inside a text that passed [`check_depth`].
    pub(super) fn from_checked(raw: &RawValue) -> Self {
        Self(raw.get().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, for another owner to share.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// Whether the value is an object.
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for JsonText {
    type Err = JsonTextError;

    fn from_str(text: &str) -> Result<Self, JsonTextError> {
        Self::new(text)
    }
}

impl From<&serde_json::Value> for JsonText {
    fn from(value: &serde_json::Value) -> Self {
        Self(value.to_string().into())
    }
}

/// Counts brackets outside strings. Skipping a raw value is not recursive in `serde_json` and so has no limit of its own.
pub(super) fn check_depth(text: &str) -> Result<(), JsonTextError> {
    // Most have fewer altogether, and to count those takes far less than to tell which are inside strings.
    if opening_brackets(text) <= MAX_DEPTH {
        return Ok(());
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(JsonTextError::TooDeep);
        }
    }
    Ok(())
}

/// In a form of which the compiler makes vector instructions: sums of bytes, which can't overflow in a group of so many. `[` and `{` differ
/// by one bit, and no other byte becomes `{` with it.
fn opening_brackets(text: &str) -> usize {
    let in_group = |group: &[u8]| group.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    text.as_bytes().chunks(128).map(|group| usize::from(in_group(group))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_serde_json_reads() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(serde_json::from_str::<serde_json::Value>(JsonText::new(&nested(MAX_DEPTH)).unwrap().as_str()).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(&nested(MAX_DEPTH + 1)).is_err());
        assert_eq!(JsonText::new(&nested(MAX_DEPTH + 1)), Err(JsonTextError::TooDeep));
        assert_eq!(JsonText::new(&nested(100_000)), Err(JsonTextError::TooDeep));
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let text = format!(r#"["{}\"[{}", "\\"]"#, "[".repeat(500), "{".repeat(500));
        assert_eq!(JsonText::new(&text).unwrap().as_str(), text);
    }

    #[test]
    fn one_value_without_the_space_around_it() {
        assert_eq!(JsonText::new(" {\"a\": 1} \n").unwrap().as_str(), "{\"a\": 1}");
        for bad in ["", "{", "1 2", "{'a':1}", "nul"] {
            assert!(matches!(JsonText::new(bad), Err(JsonTextError::Syntax(_))), "{bad}");
        }
    }
}
