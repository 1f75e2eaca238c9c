//! The short texts that identify things: a producer, a correlation id, a message id, a queue to reply to.

use std::{fmt, str::FromStr, sync::Arc};

use lapin::types::ShortString;

/// A text of 1 to 255 bytes without the character NUL: what fits into an AMQP property and into any database.
///
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortText(Arc<str>);

/// Why a text can't identify anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShortTextError {
    /// It is empty.
    #[error("is empty")]
    Empty,
    /// It does not fit into an AMQP property.
    #[error("has {length} bytes, at most {max} are allowed", max = ShortText::MAX_LENGTH)]
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
    /// It holds the character NUL, which databases refuse.
    #[error("holds the character NUL")]
    Nul,
}

impl ShortText {
    /// Most bytes of such a text: AMQP's limit of a short string.
    pub const MAX_LENGTH: usize = 255;

    /// Checks `text`.
    ///
    /// # Errors
    /// If `text` is empty, too long, or holds NUL.
    pub fn new(text: impl AsRef<str>) -> Result<Self, ShortTextError> {
        let text = text.as_ref();
        match text.len() {
            0 => Err(ShortTextError::Empty),
            length if length > Self::MAX_LENGTH => Err(ShortTextError::TooLong { length }),
            _ if text.contains('\0') => Err(ShortTextError::Nul),
            _ => Ok(Self(text.into())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, for another owner to share.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// As an AMQP property holds it.
    pub fn to_short_string(&self) -> ShortString {
        ShortString::try_new(self.as_str()).expect("a ShortText has at most 255 bytes")
    }
}

impl fmt::Display for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ShortText {
    type Err = ShortTextError;

    fn from_str(text: &str) -> Result<Self, ShortTextError> {
        Self::new(text)
    }
}

impl AsRef<str> for ShortText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
