//! Where a secret's value lies. The value itself is read when a component is loaded, and stands in no database, log or
//! error.

use std::{fmt, fs, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest secret that is read from a file, in bytes: a key or a token, not a disk.
const MAX_SECRET: u64 = 64 * 1024;

/// A reference to a secret: `env:NAME`, a variable of the runtime's, or `file:/path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// A variable of the runtime's environment.
    Env(String),
    /// A file that the runtime can read, without the line break at its end.
    File(String),
}

/// Why a secret can't be had. Says nothing of its value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It is no reference.
    #[error("this is no reference to a secret: write env:NAME or file:/path, never the secret itself")]
    Syntax,
    /// There is no such variable.
    #[error("the runtime has no variable {0} in its environment")]
    NoVariable(String),
    /// The file can't be read.
    #[error("the runtime can't read the secret's file {path}: {source}")]
    File {
        /// Where it should lie.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It can't be handed to a guest.
    #[error("the secret {0} is too long, or no UTF-8, or has a NUL in it")]
    Unusable(SecretSource),
}

impl SecretSource {
    /// Reads the value.
    ///
    /// # Errors
    /// If it is not there or can't be handed to a guest as text.
    pub fn read(&self) -> Result<String, SecretError> {
        let value = match self {
            Self::Env(name) => match std::env::var(name) {
                Ok(value) => value,
                Err(std::env::VarError::NotPresent) => return Err(SecretError::NoVariable(name.clone())),
                Err(std::env::VarError::NotUnicode(_)) => return Err(SecretError::Unusable(self.clone())),
            },
            Self::File(path) => {
                let failed = |source| SecretError::File { path: path.clone(), source };
                if fs::metadata(path).map_err(failed)?.len() > MAX_SECRET {
                    return Err(SecretError::Unusable(self.clone()));
                }
                let bytes = fs::read(path).map_err(failed)?;
                let text = String::from_utf8(bytes).map_err(|_| SecretError::Unusable(self.clone()))?;
                text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
            }
        };
        if value.contains('\0') { Err(SecretError::Unusable(self.clone())) } else { Ok(value) }
    }
}

impl FromStr for SecretSource {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if path.starts_with('/') && !path.contains('\0') => Ok(Self::File(path.to_owned())),
            // Without the text, which may be the secret.
            _ => Err(SecretError::Syntax),
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

impl Serialize for SecretSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_says_where_and_nothing_else() {
        assert_eq!("env:STRIPE_KEY".parse::<SecretSource>().unwrap().to_string(), "env:STRIPE_KEY");
        assert_eq!("file:/run/secrets/k".parse::<SecretSource>().unwrap().to_string(), "file:/run/secrets/k");
        for wrong in ["", "STRIPE_KEY", "env:", "env:A=B", "file:relative", "vault:x"] {
            assert!(wrong.parse::<SecretSource>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_is_read_without_its_last_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let source = SecretSource::File(path.display().to_string());
        assert!(source.read().unwrap_err().to_string().contains("can't read"));
        fs::write(&path, "s3cr3t\n").unwrap();
        assert_eq!(source.read().unwrap(), "s3cr3t");
        fs::write(&path, b"\xff\xfe").unwrap();
        assert!(matches!(source.read(), Err(SecretError::Unusable(_))));
    }
}
