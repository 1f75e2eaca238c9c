//! URLs without their secrets, for errors, logs and `warren config`.

use url::Url;

/// What stands where a password stood.
const MASK: &str = "***";

/// `url` with its password masked, also one given as a query parameter. A text that is no URL but could hold a password
/// is masked up to its last `@`.
pub fn masked(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return masked_by_hand(url) };
    if !parsed.has_host() {
        // `sqlite:…` has nothing to hide, and is not to be spelled differently than the operator did.
        return masked_by_hand(url);
    }
    if parsed.password().is_some() && parsed.set_password(Some(MASK)).is_err() {
        return masked_by_hand(url);
    }
    if parsed.query_pairs().any(|(key, _)| is_secret(&key)) {
        let pairs: Vec<(String, String)> = parsed.query_pairs().into_owned().collect();
        parsed
            .query_pairs_mut()
            .clear()
            .extend_pairs(pairs.iter().map(|(key, value)| (key, if is_secret(key) { MASK } else { value.as_str() })));
    }
    parsed.to_string()
}

fn is_secret(key: &str) -> bool {
    key.to_ascii_lowercase().contains("password")
}

fn masked_by_hand(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // It may be anything, a password at its beginning too.
        return url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, place)| format!("{MASK}@{place}"));
    };
    let Some((credentials, place)) = rest.rsplit_once('@') else { return url.to_owned() };
    match credentials.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:{MASK}@{place}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_masked_wherever_it_stands() {
        let cases = [
            ("postgres://u:secret@host:5432/db", "postgres://u:***@host:5432/db"),
            ("postgres://u@host/db", "postgres://u@host/db"),
            ("postgres://host/db?user=u&password=secret", "postgres://host/db?user=u&password=***"),
            ("postgres://u:p@ss:w@host:notaport/db", "postgres://u:***@host:notaport/db"),
            ("amqp://guest:secret@mq:5672/%2f", "amqp://guest:***@mq:5672/%2f"),
            ("sqlite:///var/lib/warren.db", "sqlite:///var/lib/warren.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("not a url", "not a url"),
            ("user:secret@host:5672", "***@host:5672"),
        ];
        for (url, expected) in cases {
            assert_eq!(masked(url), expected);
        }
    }
}
