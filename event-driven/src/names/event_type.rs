//! What happened to an entity.

use std::{fmt, str::FromStr};

/// The kinds of event. The list is closed: it is part of every routing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// It was made.
    Create,
    /// It was changed.
    Update,
    /// It was removed.
    Delete,
    /// It was read.
    Read,
    /// Something else that others want to know.
    Notify,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Create, Self::Update, Self::Delete, Self::Read, Self::Notify];

    /// As it stands in names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Notify => "notify",
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no event type: it is one of create, update, delete, read, notify")]
pub struct UnknownEventType(pub String);

impl FromStr for EventType {
    type Err = UnknownEventType;

    fn from_str(text: &str) -> Result<Self, UnknownEventType> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownEventType(text.to_owned()))
    }
}
