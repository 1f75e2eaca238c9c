//! What a component is known by: the hash of its bytes.

use std::fmt;

use sha2::Sha256;

/// The SHA-256 of a component's file, as it stands in `task_store.component_digest`: `sha256:` and 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Digest(std::sync::Arc<str>);

impl Digest {
    const PREFIX: &'static str = "sha256:";

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use fmt::Write;
        let mut text = String::from(Self::PREFIX);
        for byte in <Sha256 as sha2::Digest>::digest(bytes) {
            // Writing to a String can't fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text.into())
    }

    /// The digest without its prefix.
    pub fn hex(&self) -> &str {
        self.0.trim_start_matches(Self::PREFIX)
    }

    /// The digest as it is recorded, for a row to share.
    pub fn shared(&self) -> std::sync::Arc<str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_sha256sum() {
        let empty = Digest::of(b"");
        assert_eq!(empty.as_str(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(empty.hex().len(), 64);
    }
}
