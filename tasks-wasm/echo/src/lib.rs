//! A component that returns its payload: the smallest one there is, to try a runtime and to measure it.
//!
//! The payload may be any JSON; the result is the same text, byte for byte.
//!
//! ```text
//! payload  {"greeting": "hello", "n": 1.50}
//! result   {"greeting": "hello", "n": 1.50}
//! ```

#![forbid(unsafe_code)]

use warren_task::Failure;
use warren_task::serde_json::value::RawValue;

/// Returns the payload. It is checked to be JSON and not taken apart, so that what a benchmark measures is the runtime.
#[warren_task::task]
fn execute(payload: Box<RawValue>) -> Result<Box<RawValue>, Failure> {
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_comes_back_byte_for_byte() {
        let text = r#"{"greeting": "hello",  "n": 1.50}"#;
        let payload = RawValue::from_string(text.to_owned()).unwrap();
        assert_eq!(execute(payload).unwrap().get(), text);
    }
}
