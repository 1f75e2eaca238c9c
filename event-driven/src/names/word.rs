//! The free parts of a name: an entity, an action, a service.
//!
//! None may hold a dot, a `*` or a `#`, since these mean something in a routing key; each is at most 64 characters, so that
//! the longest name stays below AMQP's 255.

use std::{fmt, str::FromStr, sync::Arc};

/// Most characters of one part of a name.
const MAX_LENGTH: usize = 64;

/// Why a text can't be part of a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} can't be the name of an {what}: expected {expected}, at most {MAX_LENGTH} characters")]
pub struct WordError {
    what: &'static str,
    expected: &'static str,
    text: String,
}

fn is_snake_case(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .split('_')
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
}

fn is_service(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $what:literal, $accepts:path, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and takes it as it is.
            ///
            /// # Errors
            /// If `text` is no such name; the error says what was expected.
            pub fn new(text: impl AsRef<str>) -> Result<Self, WordError> {
                let text = text.as_ref();
                if text.len() <= MAX_LENGTH && $accepts(text) {
                    Ok(Self(text.into()))
                } else {
                    // What is no name may be long: the error shows its beginning.
                    let text = text.chars().take(MAX_LENGTH + 1).collect();
                    Err(WordError { what: $what, expected: $expected, text })
                }
            }

            /// As it stands in names.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = WordError;

            fn from_str(text: &str) -> Result<Self, WordError> {
                Self::new(text)
            }
        }
    };
}

word! {
    /// What an event or a task is about, in snake_case: `order_line`.
    Entity, "entity", is_snake_case, "snake_case, as in order_line"
}
word! {
    /// What a task does, in snake_case: `process`.
    Action, "action", is_snake_case, "snake_case, as in process"
}
word! {
    /// The program that consumes: letters, digits, `_` and `-`, beginning with a letter or digit.
    Service, "application", is_service, "letters, digits, _ and -, beginning with a letter or digit"
}

impl Entity {
    /// The entity that a Rust type of this name is: `OrderLine` is `order_line`, `HTTPServer` is `http_server`.
    ///
    /// # Errors
    /// If the name has characters that an entity's name can't have.
    pub fn from_type_name(name: &str) -> Result<Self, WordError> {
        let chars: Vec<char> = name.chars().collect();
        let mut snake = String::with_capacity(name.len() + 4);
        for (i, c) in chars.iter().enumerate() {
            let before = i.checked_sub(1).and_then(|i| chars.get(i));
            let after = chars.get(i + 1);
            let begins_word = before.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                || (before.is_some_and(char::is_ascii_uppercase) && after.is_some_and(char::is_ascii_lowercase));
            if c.is_ascii_uppercase() && begins_word {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        }
        Self::new(snake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_become_snake_case() {
        for (name, entity) in
            [("User", "user"), ("OrderLine", "order_line"), ("HTTPServer", "http_server"), ("A1B", "a1_b")]
        {
            assert_eq!(Entity::from_type_name(name).unwrap().as_str(), entity);
        }
    }

    #[test]
    fn what_would_change_the_meaning_of_a_key_is_refused() {
        for bad in ["", "a.b", "a*", "#", "Order", "a__b", "_a", "a_", "1a", "é", &"a".repeat(65)] {
            assert!(Entity::new(bad).is_err(), "{bad}");
            assert!(Action::new(bad).is_err(), "{bad}");
        }
        for bad in ["", "a.b", "a*", "#", "-a", "é", &"a".repeat(65)] {
            assert!(Service::new(bad).is_err(), "{bad}");
        }
        assert!(Service::new("billing-Service_2").is_ok());
    }

    #[test]
    fn the_error_says_what_was_expected() {
        assert_eq!(
            Entity::new("Order").unwrap_err().to_string(),
            r#""Order" can't be the name of an entity: expected snake_case, as in order_line, at most 64 characters"#
        );
    }
}
