//! The entity's name in routing keys. The same two rules as those of `event_driven::names::Entity`, which this crate can't
//! use: it is compiled before that one. A test over there compares them.

use proc_macro2::Ident;
use syn::{Error, LitStr, Result, ext::IdentExt as _};

const MAX_LENGTH: usize = 64;

/// The name that the author chose.
pub(super) fn chosen(name: &LitStr) -> Result<String> {
    let text = name.value();
    if is_name(&text) {
        return Ok(text);
    }
    let message = format!(
        "{text:?} can't be the name of an entity: write it in snake_case, as in \"order_line\", with at most {MAX_LENGTH} \
         characters"
    );
    Err(Error::new(name.span(), message))
}

/// The name that a type has by itself: `OrderLine` is `order_line`, `HTTPServer` is `http_server`.
pub(super) fn of_type(ident: &Ident) -> Result<String> {
    let snake = snake_case(&ident.unraw().to_string());
    if is_name(&snake) {
        return Ok(snake);
    }
    let message = format!(
        "{snake:?} can't be the name of an entity: choose one in snake_case with at most {MAX_LENGTH} characters, as in \
         `#[event(entity = \"order_line\")]`"
    );
    Err(Error::new(ident.span(), message))
}

fn is_name(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= MAX_LENGTH && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('_').all(is_part)
}

fn snake_case(name: &str) -> String {
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
    snake
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    #[test]
    fn a_type_has_a_name_in_snake_case() {
        for (ident, name) in
            [("User", "user"), ("OrderLine", "order_line"), ("HTTPServer", "http_server"), ("A1B", "a1_b")]
        {
            assert_eq!(of_type(&Ident::new(ident, Span::call_site())).unwrap(), name);
        }
        assert_eq!(of_type(&Ident::new_raw("Type", Span::call_site())).unwrap(), "type");
    }

    #[test]
    fn what_would_change_the_meaning_of_a_key_is_refused() {
        for bad in ["", "a.b", "a*", "#", "Order", "a__b", "_a", "a_", "1a", "é", &"a".repeat(65)] {
            assert!(chosen(&LitStr::new(bad, Span::call_site())).is_err(), "{bad}");
        }
        for bad in ["Größe", "_User", "User_", &"U".repeat(65)] {
            assert!(of_type(&Ident::new(bad, Span::call_site())).is_err(), "{bad}");
        }
    }
}
