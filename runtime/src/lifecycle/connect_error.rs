//! Why there is no connection to the database, and what to do about it.

use std::{path::PathBuf, time::Duration};

use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::verdict;

/// What [`super::Database::connect`] ran into. Each message names the URL, without its password.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is neither Postgres' nor SQLite's.
    #[error(
        "{url} is no database that warren knows: expected postgres://user:password@host:5432/name or sqlite:///path/to/file.db"
    )]
    UnknownScheme {
        /// The URL, masked.
        url: String,
    },
    /// The URL has the right scheme, but is not well-formed or has a parameter that the driver doesn't know.
    #[error("the database URL {url} can't be read: {reason}")]
    BadUrl {
        /// The URL, masked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing answers at the host and port.
    #[error("nothing answers at {url}: {reason}; check that the server runs, and the host and port")]
    Unreachable {
        /// The URL, masked.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The host did not answer in time.
    #[error("no answer from {url} within {}: check the host, the port and what filters the network between", humantime::format_duration(*.after))]
    TimedOut {
        /// The URL, masked.
        url: String,
        /// How long it was waited for: `connect_timeout`.
        after: Duration,
    },
    /// The server knows the user by another password, or not at all.
    #[error("{url} refused the user or the password: {reason}")]
    Denied {
        /// The URL, masked.
        url: String,
        /// What the server said.
        reason: String,
    },
    /// The server has no database of that name.
    #[error("the server of {url} has no such database ({reason}): create it with `createdb {name}`")]
    NoSuchDatabase {
        /// The URL, masked.
        url: String,
        /// The name that was asked for.
        name: String,
        /// What the server said.
        reason: String,
    },
    /// The folder of the SQLite file is not there.
    #[error("the folder {} of {url} does not exist: create it, or name another", .folder.display())]
    NoSuchFolder {
        /// The URL.
        url: String,
        /// The folder that the file would be in.
        folder: PathBuf,
    },
    /// The SQLite file can't be created, opened or written, or is something else.
    #[error(
        "the file of {url} can't be used: {reason}; check that it is a SQLite database, and that this user may write to it and its folder"
    )]
    UnusableFile {
        /// The URL.
        url: String,
        /// What SQLite said.
        reason: String,
    },
    /// Everything else that the database or the driver says.
    #[error("no connection to {url}: {source}")]
    Other {
        /// The URL, masked.
        url: String,
        /// What was said.
        source: DbErr,
    },
}

impl ConnectError {
    /// Whether the server may merely not be there yet, so that the same may succeed a little later.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Other { source, .. } => verdict::is_outage(source),
            Self::UnknownScheme { .. }
            | Self::BadUrl { .. }
            | Self::Denied { .. }
            | Self::NoSuchDatabase { .. }
            | Self::NoSuchFolder { .. }
            | Self::UnusableFile { .. } => false,
        }
    }

    /// What the error of a Postgres driver means to the operator.
    pub(super) fn of_postgres(url: String, name: &str, error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(reason) => Self::Unreachable { url, reason: reason.to_string() },
            sqlx::Error::Configuration(reason) => Self::BadUrl { url, reason: reason.to_string() },
            sqlx::Error::Database(refusal) => {
                let reason = refusal.message().to_owned();
                match refusal.code().as_deref() {
                    Some("28P01" | "28000") => Self::Denied { url, reason },
                    Some("3D000") => Self::NoSuchDatabase { url, name: name.to_owned(), reason },
                    _ => Self::other(url, error),
                }
            }
            _ => Self::other(url, error),
        }
    }

    /// What the error of a SQLite driver means to the operator.
    pub(super) fn of_sqlite(url: String, error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Configuration(reason) => Self::BadUrl { url, reason: reason.to_string() },
            sqlx::Error::Database(refusal) => Self::UnusableFile { url, reason: refusal.message().to_owned() },
            _ => Self::other(url, error),
        }
    }

    pub(super) fn other(url: String, error: sqlx::Error) -> Self {
        Self::Other { url, source: DbErr::Conn(RuntimeErr::SqlxError(error.into())) }
    }
}
