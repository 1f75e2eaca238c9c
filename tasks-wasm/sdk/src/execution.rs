//! What happens around the author's function: payload text → its argument, its result → result text.
//!
//! Plain Rust without a sandbox, so all of it is tested on the host. The glue that `#[warren_task::task]` writes calls
//! these two; they are public for it alone.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;

/// Decodes a payload. One that doesn't fit is [`Failure::Invalid`], with the path of what is wrong in it.
///
/// Takes the text by value to give its memory back before the task starts: a payload of megabytes is not held twice.
pub fn decode<P: DeserializeOwned>(payload: String) -> Result<P, Failure> {
    let mut json = serde_json::Deserializer::from_str(&payload);
    let decoded = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // The root's own path is ".", a key's begins with its name, an index's with a bracket.
        let at = match path.as_str() {
            "." => String::new(),
            index if index.starts_with('[') => index.to_owned(),
            key => format!(".{key}"),
        };
        Failure::Invalid(format!("payload{at}: {}", error.inner()))
    })?;
    json.end().map_err(|error| Failure::Invalid(format!("payload: {error}")))?;
    Ok(decoded)
}

/// Encodes what the task returned.
///
/// # Errors
///
/// The task's own failure; or [`Failure::Technical`] for a result that has no form in JSON, such as a map whose keys
/// are not strings: that is the component's fault, and passes with its next version.
pub fn encode(result: impl TaskResult) -> Result<String, Failure> {
    result.into_text()
}

/// What a task returns: `Result<T, Failure>` for any `T` that serde can serialize. Not to be implemented by others.
#[diagnostic::on_unimplemented(
    message = "a task returns `Result<T, Failure>`, not `{Self}`",
    label = "write `Result<T, warren_task::Failure>` here, with a `T` that implements `serde::Serialize`",
    note = "`?` turns any `std::error::Error` into a `Failure`; `Ok(value)` wraps a result"
)]
pub trait TaskResult {
    #[doc(hidden)]
    fn into_text(self) -> Result<String, Failure>;
}

impl<T: Serialize> TaskResult for Result<T, Failure> {
    fn into_text(self) -> Result<String, Failure> {
        serde_json::to_string(&self?).map_err(|error| Failure::Technical(format!("result: not JSON: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Line {
        quantity: u32,
    }

    fn refusal<P: DeserializeOwned>(payload: &str) -> String {
        match decode::<P>(payload.to_owned()) {
            Err(Failure::Invalid(reason)) => reason,
            Err(other) => panic!("not invalid: {other}"),
            Ok(_) => panic!("accepted: {payload}"),
        }
    }

    #[test]
    fn a_payload_that_fits_is_decoded() {
        let order = decode::<Order>(r#" {"lines": [{"quantity": 2, "note": "more is ignored"}]} "#.to_owned()).unwrap();
        assert_eq!(order, Order { lines: vec![Line { quantity: 2 }] });
    }

    #[test]
    fn a_payload_that_does_not_fit_says_where_and_why() {
        let cases = [
            (r#"{"lines": [{"quantity": 1}, {"quantity": "two"}]}"#, "payload.lines[1].quantity: invalid type: string"),
            (r#"{"lines": [{}]}"#, "payload.lines[0]: missing field `quantity`"),
            ("{}", "payload: missing field `lines`"),
            ("[7]", "payload[0]: invalid type: integer `7`"),
            ("", "payload: EOF while parsing a value"),
            ("{} {}", "payload: missing field"),
            (r#"{"lines": []} x"#, "payload: trailing characters"),
        ];
        for (payload, expected) in cases {
            let reason = refusal::<Order>(payload);
            assert!(reason.starts_with(expected), "{payload}: {reason}");
        }
    }

    #[test]
    fn a_payload_without_end_in_depth_is_refused_and_not_a_stack_overflow() {
        assert!(refusal::<Value>(&"[".repeat(100_000)).contains("recursion limit exceeded"));
    }

    #[test]
    fn any_json_goes_through_a_value_and_raw_text_unchanged() {
        let text = r#"{"z":1.10,"a":[null,true,"ü"]}"#;
        assert_eq!(encode(Ok(decode::<Box<RawValue>>(text.to_owned()).unwrap())).unwrap(), text);
        assert_eq!(encode(Ok(decode::<Value>("[1,null]".to_owned()).unwrap())).unwrap(), "[1,null]");
    }

    #[test]
    fn a_failure_of_the_task_passes_through() {
        let failed: Result<(), Failure> = Err(Failure::business("no stock"));
        assert_eq!(encode(failed), Err(Failure::Business("no stock".into())));
    }

    #[test]
    fn a_result_without_a_form_in_json_is_technical() {
        let keys = BTreeMap::from([((1, 2), "a pair is no key")]);
        assert_eq!(encode(Ok(keys)), Err(Failure::technical("result: not JSON: key must be a string")));
    }
}
