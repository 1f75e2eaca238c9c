//! What the operator allows manifests to be granted: section `[allow]` of `warren.toml`.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{HostPattern, SecretSource};

/// `[allow]`: nothing is allowed by default. In variables, lists stand between commas.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Allow {
    /// Hosts, as `api.example.com:443`, `*.example.com:443` or `*:443`: only their public addresses.
    pub hosts: Vec<HostPattern>,
    /// Hosts on this machine or in the networks around it. Addresses that are handed out for metadata (169.254.169.254) have
    /// to stand here as numbers.
    pub private_hosts: Vec<HostPattern>,
    /// Secrets, as `env:NAME` or `file:/path`.
    pub secrets: Vec<SecretSource>,
    /// Directories to read, as `name=/path`.
    pub read: Vec<Directory>,
    /// Directories to read and write, as `name=/path`.
    pub write: Vec<Directory>,
}

/// A directory that a component was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedDirectory {
    /// Where its guests see it.
    pub guest_path: String,
    /// The operator's directory.
    pub directory: Directory,
    /// Whether it may be written to.
    pub writable: bool,
}

/// A directory that the operator named, as `name=/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The name by which manifests ask for it.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

impl FromStr for Directory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && path.starts_with('/') => {
                Ok(Self { name: name.to_owned(), path: path.into() })
            }
            _ => Err(format!("{text:?} is no directory: write name=/path")),
        }
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.path.display())
    }
}

impl Serialize for Directory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Directory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
