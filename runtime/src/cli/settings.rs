//! The process's own sources of settings: the file, the environment, the flags.

use std::path::Path;

use anyhow::Context;

use crate::config::load::{self, Loaded, Sources};

/// The file that is read where none is named.
const FILE: &str = "warren.toml";

/// A flag's name, the setting that it sets, and its value.
pub(super) type Flag = (String, String, String);

/// Reads all sources. `file` is the one that the command line names.
pub(super) fn load(file: Option<&Path>, flags: Vec<Flag>) -> anyhow::Result<Loaded> {
    let path = file.unwrap_or(Path::new(FILE));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Some((path.display().to_string(), text)),
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(error).with_context(|| format!("the settings' file {} can't be read", path.display()));
        }
    };
    // A variable that is no Unicode is none of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Ok(load::load(Sources { file: text, environment, flags })?)
}

/// A flag that sets a setting, if it was given.
pub(super) fn flag(name: &str, setting: &str, value: Option<&(impl ToString + ?Sized)>) -> Option<Flag> {
    value.map(|value| (name.to_owned(), setting.to_owned(), value.to_string()))
}
