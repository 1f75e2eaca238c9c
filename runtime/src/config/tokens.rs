//! `[[http.tokens]]`: who may change components and dead letters over HTTP.
//!
//! Only the hash of a token is configured, and even that is never shown: whoever reads the settings learns nothing that
//! opens a door. What is done with them is in [`crate::api`].

use std::{collections::HashSet, fmt};

use chrono::{DateTime, Utc};
use event_driven::names::TaskName;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// One that may write over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Who has it. It stands with the versions that were pushed with it.
    pub name: String,
    /// The SHA-256 of the token, in hex: `printf %s TOKEN | sha256sum`.
    pub sha256: TokenHash,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// From when on it is refused, as RFC 3339 has it: `2027-01-31T00:00:00Z`. None: it is good for ever.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "rfc3339")]
    pub expires: Option<DateTime<Utc>>,
    /// The components that it may write, and whose dead letters: names, or beginnings of names with a `*` behind. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
}

/// What a token may be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Push, roll back and remove components.
    #[serde(rename = "components:write")]
    ComponentsWrite,
    /// Have dead letters tried again, and throw them away.
    #[serde(rename = "dead-letters:write")]
    DeadLettersWrite,
}

impl Scope {
    /// As it is written in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ComponentsWrite => "components:write",
            Self::DeadLettersWrite => "dead-letters:write",
        }
    }
}

impl Token {
    /// Whether a token may be called so.
    ///
    /// # Errors
    /// If not, with what a name may be.
    pub fn check_name(name: &str) -> Result<String, String> {
        match (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_graphic()) {
            true => Ok(name.to_owned()),
            false => Err(format!("the name {name:?} is not 1 to 64 printable characters of ASCII without blanks")),
        }
    }

    /// Whether it may write the component of that name.
    pub fn is_for(&self, name: &TaskName) -> bool {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => name.as_str().starts_with(beginning),
            None => name.as_str() == pattern,
        };
        self.components.is_empty() || self.components.iter().any(matches)
    }
}

/// The hash of a token. Shown to nobody: neither `Debug` nor `Serialize` give it.
///
/// SHA-256 alone, without salt and many rounds, is enough for 256 random bits: there is nothing to guess.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct TokenHash([u8; 32]);

/// What stands where a hash stood.
const MASK: &str = "***";

impl TokenHash {
    /// The hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    pub fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }

    /// The 64 hex digits, for who configures the token.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for TokenHash {
    type Error = &'static str;

    // The text is not shown: it may be the token itself.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "sha256 takes the 64 hex digits of the token's SHA-256, not the token";
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(WRONG);
        }
        let mut hash = [0; 32];
        for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            let pair = text.get(at..at + 2).ok_or(WRONG)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| WRONG)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// TOML has times of its own; both ways of writing one are understood.
fn rfc3339<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => text,
        other => other.to_string(),
    };
    let time = DateTime::parse_from_rfc3339(&text);
    let time = time.map_err(|_| D::Error::custom("expires takes a time like 2027-01-31T00:00:00Z (RFC 3339)"))?;
    Ok(Some(time.to_utc()))
}

/// What is wrong with these tokens, a sentence each.
pub(super) fn problems(tokens: &[Token]) -> Vec<String> {
    let (mut names, mut hashes, mut problems) = (HashSet::new(), HashSet::new(), Vec::new());
    for token in tokens {
        let name = &token.name;
        if let Err(problem) = Token::check_name(name) {
            problems.push(format!("http.tokens: {problem}"));
        }
        if !names.insert(name) {
            problems.push(format!("http.tokens has two with the name {name:?}"));
        }
        if !hashes.insert(&token.sha256) {
            problems.push(format!("http.tokens has the token of {name:?} under another name, too"));
        }
        if token.sha256 == TokenHash::of("") {
            problems.push(format!("http.tokens: the token of {name:?} is the empty one"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Result<Token, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn a_token_is_read_and_its_hash_is_never_shown() {
        let hex = TokenHash::of("secret").to_hex();
        for expires in ["\"2027-01-31T01:00:00+01:00\"", "2027-01-31T00:00:00Z"] {
            let text = format!(
                "name = 'ci'\nsha256 = '{}'\nscopes = ['components:write']\nexpires = {expires}",
                hex.to_uppercase()
            );
            let token = token(&text).unwrap();
            assert_eq!(token.sha256, TokenHash::of("secret"));
            assert_eq!(token.expires, Some("2027-01-31T00:00:00Z".parse().unwrap()));
            let shown = format!("{token:?} {}", toml::to_string(&token).unwrap());
            assert!(shown.contains("***") && !shown.contains(&hex), "{shown}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_shown() {
        for (wrong, told) in [
            ("sha256 = 'wrn_topsecret'", "64 hex digits"),
            ("sha256 = 'é234567890123456789012345678901234567890123456789012345678901234'", "64 hex digits"),
            (
                "sha256 = '0000000000000000000000000000000000000000000000000000000000000000'\nexpires = '2027-01-31'",
                "RFC 3339",
            ),
            ("token = 'wrn_topsecret'", "unknown field"),
        ] {
            let error = token(&format!("name = 'ci'\nscopes = []\n{wrong}")).unwrap_err();
            assert!(error.contains(told) && !error.contains("topsecret"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_token_may_be_for_some_components_alone() {
        let token = Token {
            name: "ci".into(),
            sha256: TokenHash::of("secret"),
            scopes: vec![Scope::ComponentsWrite],
            expires: None,
            components: vec!["resize".into(), "team-a.*".into()],
        };
        let is_for = |name: &str| token.is_for(&name.parse().unwrap());
        assert!(is_for("resize") && is_for("team-a.x"));
        assert!(!is_for("resize2") && !is_for("team-ab") && !is_for("Resize"));
        assert!(Token { components: Vec::new(), ..token.clone() }.is_for(&"any".parse().unwrap()));
        let two = problems(&[token.clone(), token]);
        assert_eq!(two.len(), 2, "{two:?}");
    }
}
