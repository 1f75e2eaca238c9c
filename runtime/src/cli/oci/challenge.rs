//! How a registry wants to be logged in to: what its `WWW-Authenticate` asks for.
//!
//! Read once, from the answer in hand; what is checked here is what the login then goes to.

use http::{HeaderMap, header::WWW_AUTHENTICATE};
use http_auth::{ChallengeParser, ChallengeRef};
use url::Url;

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A user and a password with each request.
    Basic,
    /// A token, which another service gives.
    Bearer {
        /// The service's address: `http` or `https`.
        realm: Url,
        /// How that service calls the registry.
        service: Option<String>,
    },
    /// Something that is not known here, or makes no sense.
    Unknown,
}

impl Challenge {
    /// Finds the best one of those that an answer has; `None` if it has none at all.
    pub(super) fn find(headers: &HeaderMap) -> Option<Self> {
        let values = || headers.get_all(WWW_AUTHENTICATE).iter();
        values().next()?;
        let challenges = values().filter_map(|value| value.to_str().ok()).flat_map(ChallengeParser::new);
        let mut best = Self::Unknown;
        for challenge in challenges.filter_map(Result::ok) {
            match Self::of(&challenge) {
                // A token says less than a password.
                bearer @ Self::Bearer { .. } => return Some(bearer),
                Self::Basic => best = Self::Basic,
                Self::Unknown => {}
            }
        }
        Some(best)
    }

    fn of(challenge: &ChallengeRef<'_>) -> Self {
        if challenge.scheme.eq_ignore_ascii_case("Basic") {
            return Self::Basic;
        }
        let param = |name: &str| {
            let named = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.to_unescaped())
        };
        let realm = param("realm").and_then(|realm| Url::parse(&realm).ok());
        match realm.filter(|realm| matches!(realm.scheme(), "http" | "https")) {
            Some(realm) if challenge.scheme.eq_ignore_ascii_case("Bearer") => {
                Self::Bearer { realm, service: param("service") }
            }
            Some(_) | None => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn found(values: &[&str]) -> Option<Challenge> {
        let values = values.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap()));
        Challenge::find(&values.collect())
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer { realm: realm.parse().unwrap(), service: service.map(str::to_owned) })
    }

    #[test]
    fn a_challenge_is_read_in_each_way_that_it_may_be_written() {
        assert_eq!(found(&[]), None);
        let (realm, hub) = ("https://a.b/token", Some("a.b"));
        assert_eq!(
            found(&[r#"Bearer realm="https://a.b/token",service="a.b",scope="repository:c:pull""#]),
            bearer(realm, hub)
        );
        assert_eq!(found(&[r#"bearer service=a.b , REALM="https://a.b/token""#]), bearer(realm, hub));
        assert_eq!(found(&[r#"Bearer realm="https://a.b/token",service="a \"b\"""#]), bearer(realm, Some("a \"b\"")));
        assert_eq!(found(&[r#"Bearer realm="HTTP://a.b/token""#]), bearer("http://a.b/token", None));
        assert_eq!(found(&[r#"Basic realm="http://a.b""#]), Some(Challenge::Basic));
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let (basic, token) = (r#"Basic realm="a""#, r#"Bearer realm="https://a.b/token""#);
        let expected = bearer("https://a.b/token", None);
        assert_eq!(found(&[basic, token]), expected);
        assert_eq!(found(&[token, basic]), expected);
        assert_eq!(found(&[&format!("{basic}, {token}")]), expected);
        assert_eq!(found(&[r#"Negotiate, Basic realm="a""#]), Some(Challenge::Basic));
    }

    #[test]
    fn what_makes_no_sense_is_unknown() {
        for value in [
            "",
            "Bearer",
            "Negotiate",
            r#"Bearer realm="/token""#,
            r#"Bearer realm="file:///token""#,
            r#"Bearer service="a.b""#,
            r#"Bearer realm="https://a.b"#,
        ] {
            assert_eq!(found(&[value]), Some(Challenge::Unknown), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"((bearer|Basic|realm|service|[ =,"\\a:/é])){0,40}"#) {
            if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
                prop_assert!(Challenge::find(&[(WWW_AUTHENTICATE, value)].into_iter().collect()).is_some());
            }
        }
    }
}
