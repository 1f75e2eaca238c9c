//! The name of a task: which component is to run it.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// A task's name: 1–64 characters of `a-z A-Z 0-9 _ - .`, beginning with a letter or digit, without `..`.
///
/// Such a name is safe as a file's name. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskName(Arc<str>);

/// Why a text is no task's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskNameError {
    /// It is empty.
    #[error("a task's name must not be empty")]
    Empty,
    /// It is too long.
    #[error("a task's name has at most {max} characters, not {length}", max = TaskName::MAX_LENGTH)]
    TooLong {
        /// How many bytes it has.
        length: usize,
    },
    /// It begins with something else than a letter or digit.
    #[error("a task's name begins with a letter or digit, not with {found:?}")]
    BadStart {
        /// What it begins with.
        found: char,
    },
    /// It has a character that no name has.
    #[error("a task's name consists of a-z A-Z 0-9 _ - . and can't hold {found:?}")]
    BadCharacter {
        /// The first such character.
        found: char,
    },
    /// It holds two dots in a row.
    #[error("a task's name can't hold \"..\"")]
    DotDot,
}

impl TaskName {
    /// Most characters of a name.
    pub const MAX_LENGTH: usize = 64;

    /// Checks `name`.
    ///
    /// # Errors
    /// If `name` breaks a rule; the error says which.
    pub fn new(name: impl AsRef<str>) -> Result<Self, TaskNameError> {
        let name = name.as_ref();
        let first = name.chars().next().ok_or(TaskNameError::Empty)?;
        if name.len() > Self::MAX_LENGTH {
            return Err(TaskNameError::TooLong { length: name.len() });
        }
        if let Some(found) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !['_', '-', '.'].contains(c)) {
            return Err(TaskNameError::BadCharacter { found });
        }
        if !first.is_ascii_alphanumeric() {
            return Err(TaskNameError::BadStart { found: first });
        }
        if name.contains("..") {
            return Err(TaskNameError::DotDot);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, for another owner to share.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TaskName {
    type Err = TaskNameError;

    fn from_str(name: &str) -> Result<Self, TaskNameError> {
        Self::new(name)
    }
}

impl Borrow<str> for TaskName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for TaskName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_contract() {
        for good in ["a", "resize_image", "Resize-Image.v2", "0", &"x".repeat(64)] {
            assert_eq!(TaskName::new(good).unwrap().as_str(), good);
        }
        for (bad, error) in [
            ("", TaskNameError::Empty),
            (&"x".repeat(65), TaskNameError::TooLong { length: 65 }),
            (".hidden", TaskNameError::BadStart { found: '.' }),
            ("-rf", TaskNameError::BadStart { found: '-' }),
            ("a/b", TaskNameError::BadCharacter { found: '/' }),
            ("a\0", TaskNameError::BadCharacter { found: '\0' }),
            ("é", TaskNameError::BadCharacter { found: 'é' }),
            ("a..b", TaskNameError::DotDot),
        ] {
            assert_eq!(TaskName::new(bad), Err(error), "{bad}");
        }
    }
}
