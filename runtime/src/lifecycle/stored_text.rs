//! What a text must be like so that both databases can store it.

use std::sync::Arc;

/// How much of a text is kept where the database refused the row that it stood in, in bytes. Postgres can't index
/// more than 2,704 bytes, and no real identifier is near that.
const KEPT_BYTES: usize = 512;

/// Stands in for NUL, which no `text` of Postgres can hold: U+FFFD, the replacement character.
pub(super) const REPLACEMENT: &str = "\u{FFFD}";

/// NUL in a text of JSON.
const ESCAPED_NUL: &str = "\\u0000";

/// Whether there is a NUL: never, but for malice and bugs.
pub(super) fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// Replaces each NUL. Free where there is none.
pub(super) fn replace_nul(text: &mut Option<Arc<str>>) {
    if let Some(with_nul) = text.as_ref().filter(|text| has_nul(text)) {
        *text = Some(with_nul.replace('\0', REPLACEMENT).into());
    }
}

/// The beginning of a text, short enough for every index.
pub(super) fn cut(text: &mut Option<Arc<str>>) {
    if let Some(long) = text.as_ref().filter(|text| text.len() > KEPT_BYTES) {
        *text = Some(beginning(long).into());
    }
}

fn beginning(text: &str) -> &str {
    let end = text.floor_char_boundary(KEPT_BYTES);
    text.get(..end).unwrap_or_default()
}

/// Whether a JSON text has the escape `\u0000`. JSON allows it, Postgres' `jsonb` does not: known beforehand, such a
/// row does not cost a flush its bisection.
pub(super) fn has_nul_escape(json: &str) -> bool {
    // Which is quick: hardly any has it, escaped or not.
    json.contains(ESCAPED_NUL)
        && json.match_indices(ESCAPED_NUL).any(|(at, _)| {
            let backslashes = json.as_bytes().iter().take(at).rev().take_while(|byte| **byte == b'\\').count();
            // An odd number before this one: it is itself escaped, and `u0000` is plain text.
            backslashes % 2 == 0
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_becomes_visible() {
        let mut text = Some(Arc::from("a\0b"));
        replace_nul(&mut text);
        assert_eq!(text.as_deref(), Some("a\u{FFFD}b"));
    }

    #[test]
    fn a_cut_text_ends_between_characters() {
        let mut text = Some(Arc::from("é".repeat(1_000).as_str()));
        cut(&mut text);
        assert_eq!(text.unwrap().len(), 512);
        let mut odd = Some(Arc::from(format!("a{}", "é".repeat(1_000)).as_str()));
        cut(&mut odd);
        assert_eq!(odd.unwrap().len(), 511);
    }

    #[test]
    fn an_escaped_backslash_before_u0000_is_no_nul() {
        assert!(has_nul_escape(r#""\u0000""#));
        assert!(!has_nul_escape(r#""\\u0000""#));
        assert!(has_nul_escape(r#""\\\u0000""#));
        assert!(has_nul_escape(r#"["\\u0000", "\u0000"]"#));
        assert!(!has_nul_escape(r#""u0000""#));
    }
}
