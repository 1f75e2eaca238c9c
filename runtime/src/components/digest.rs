//! What a component's file is known by, wherever it lies: in the store, in the cache and in the rows of its tasks.

use std::{fmt, str::FromStr, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The SHA-256 of a component's file, as it stands in `task_store.component_digest`: `sha256:` and 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Arc<str>);

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is sha256: and 64 digits of 0-9 a-f, not {found:?}")]
pub struct DigestError {
    found: String,
}

impl Digest {
    const PREFIX: &'static str = "sha256:";

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_hash(&<Sha256 as sha2::Digest>::digest(bytes))
    }

    /// The digest of what comes in pieces, of which one at a time is in memory.
    ///
    /// # Errors
    /// The first one that comes instead of a piece.
    pub(super) async fn of_stream<E>(mut pieces: impl Stream<Item = Result<Bytes, E>> + Unpin) -> Result<Self, E> {
        let mut hash = <Sha256 as sha2::Digest>::new();
        while let Some(piece) = pieces.next().await {
            sha2::Digest::update(&mut hash, piece?);
        }
        Ok(Self::of_hash(&sha2::Digest::finalize(hash)))
    }

    fn of_hash(hash: &[u8]) -> Self {
        use fmt::Write;
        let mut text = String::from(Self::PREFIX);
        for byte in hash {
            // Writing to a String can't fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text.into())
    }

    /// [`Digest::of`] for what may be large: a good part of a second, on a thread where that holds up nobody.
    pub async fn of_file(bytes: Bytes) -> Self {
        let copy = bytes.clone();
        let digest = tokio::task::spawn_blocking(move || Self::of(&copy)).await;
        // It does not panic, and is not cancelled but by the end of the process.
        digest.unwrap_or_else(|_| Self::of(&bytes))
    }

    /// The digest without its prefix.
    pub fn hex(&self) -> &str {
        self.0.trim_start_matches(Self::PREFIX)
    }

    /// The digest as it is recorded, for a row to share.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }

    /// The digest as it is recorded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        match text.strip_prefix(Self::PREFIX) {
            Some(hex) if hex.len() == 64 && hex.chars().all(is_digit) => Ok(Self(text.into())),
            _ => Err(DigestError { found: text.chars().take(80).collect() }),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_sha256sum() {
        let empty = Digest::of(b"");
        assert_eq!(empty.as_str(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(empty.hex().len(), 64);
        assert_eq!(empty.as_str().parse(), Ok(empty));
    }

    #[tokio::test]
    async fn the_digest_of_pieces_is_that_of_the_whole() {
        let pieces = |pieces: &[Result<&'static [u8], &'static str>]| {
            futures_util::stream::iter(pieces.iter().map(|piece| piece.map(Bytes::from_static)).collect::<Vec<_>>())
        };
        let told = Digest::of_stream(pieces(&[Ok(b"in "), Ok(b""), Ok(b"pieces")])).await;
        assert_eq!(told, Ok(Digest::of(b"in pieces")));
        assert_eq!(Digest::of_stream(pieces(&[Ok(b"in "), Err("gone"), Ok(b"pieces")])).await, Err("gone"));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for wrong in [hex, &format!("sha256:{}", &hex[1..]), &format!("sha256:{}", hex.to_uppercase())] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
        assert!(format!("sha256:../{}", &hex[3..]).parse::<Digest>().is_err());
    }
}
