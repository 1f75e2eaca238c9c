//! Puts the settings together, remembers where each came from, and tells everything that is wrong with them at once.
//!
//! The file and the environment come in as arguments: nothing here reads the process's own.

use std::{collections::BTreeMap, fmt};

use toml::{Table, Value};

use super::Config;
use crate::{manifest::line_of, masked_url::masked};

/// Variables that existing deployments have, and the settings that they are.
const OTHER_NAMES: [(&str, &str); 3] =
    [("RABBITMQ_URL", "broker.url"), ("DATABASE_URL", "database.url"), ("SERVICE_NAME", "service.name")];

/// Variables that start as ours do and are no settings: where the file is, what the command line talks to and by
/// what right, and what the tests are told.
const NO_SETTINGS: [&str; 4] = ["WARREN_CONFIG", "WARREN_TOKEN", "WARREN_URL", "WARREN_TEST_"];

/// Lists that, once they are empty, allow what nobody may have meant to allow: a variable that comes without its value, from a
/// secret that is not there, must not do that without a word.
const NEVER_EMPTY: [&str; 1] = ["components.require_signatures"];

/// Where a setting's value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A file, by its path.
    File(String),
    /// A variable of the environment, by its name.
    Environment(String),
    /// A flag of the command line, by its name.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => f.write_str(path),
            Self::Environment(name) => write!(f, "${name}"),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// The settings in force, and where each came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Variables that start as ours do and set nothing. Others set such variables too (a container's platform, for one),
    /// so they are no errors.
    pub unknown_variables: Vec<String>,
    origins: BTreeMap<String, Origin>,
}

/// What is wrong with the settings: all of it, a line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct ConfigError(pub Vec<String>);

fn lines(problems: &[String]) -> String {
    match problems {
        [one] => format!("the settings are wrong: {one}"),
        many => format!("the settings are wrong in {} places:\n  - {}", many.len(), many.join("\n  - ")),
    }
}

/// The sources above the defaults. Later ones win.
#[derive(Debug, Default)]
pub struct Sources {
    /// The path and text of `warren.toml`.
    pub file: Option<(String, String)>,
    /// The environment's variables; those that are none of ours are passed over.
    pub environment: Vec<(String, String)>,
    /// Flags: the flag's name, the setting's path, the value.
    pub flags: Vec<(String, String, String)>,
}

/// Puts the settings together.
///
/// # Errors
/// Unknown keys, values of the wrong kind or out of range, and settings that contradict each other: all of them in one
/// error, each with where it stands.
pub fn load(sources: Sources) -> Result<Loaded, ConfigError> {
    let defaults = Table::try_from(Config::default()).map_err(|error| ConfigError(vec![error.to_string()]))?;
    let mut merged =
        Merged { table: defaults, origins: BTreeMap::new(), problems: Vec::new(), unknown_variables: Vec::new() };
    if let Some((path, text)) = sources.file {
        merged.add_file(&path, &text);
    }
    for (name, value) in &sources.environment {
        merged.add_other_name(name, value);
    }
    // After those, so that a name of ours wins, whatever the environment's order.
    for (name, value) in sources.environment {
        merged.add_variable(name, value);
    }
    for (flag, setting, value) in sources.flags {
        merged.set_text(&setting, value, Origin::Flag(flag));
    }
    merged.finish()
}

struct Merged {
    /// Starts as the defaults, and so knows every setting and its kind.
    table: Table,
    origins: BTreeMap<String, Origin>,
    problems: Vec<String>,
    unknown_variables: Vec<String>,
}

impl Merged {
    fn add_file(&mut self, path: &str, text: &str) {
        let table: Table = match text.parse() {
            Ok(table) => table,
            // Without the line itself, which may hold a password.
            Err(error) => {
                let place = line_of(text, &error).map_or_else(String::new, |line| format!(" line {line}:"));
                return self.problems.push(format!("{path}:{place} {}", error.message()));
            }
        };
        for (section, keys) in table {
            match keys {
                Value::Table(keys) if self.table.contains_key(&section) => {
                    for (key, value) in keys {
                        self.set(&format!("{section}.{key}"), value, Origin::File(path.to_owned()));
                    }
                }
                Value::Table(_) => self.problems.push(format!("{path}: there is no section [{section}]")),
                _ => self.problems.push(format!("{path}: {section} stands outside of any section")),
            }
        }
    }

    fn add_other_name(&mut self, name: &str, value: &str) {
        if let Some((_, setting)) = OTHER_NAMES.iter().find(|(other, _)| *other == name) {
            self.set_text(setting, value.to_owned(), Origin::Environment(name.to_owned()));
        }
    }

    fn add_variable(&mut self, name: String, value: String) {
        let Some(rest) = name.strip_prefix("WARREN_") else { return };
        if NO_SETTINGS.iter().any(|no_setting| name.starts_with(no_setting)) {
            return;
        }
        let setting = rest.to_lowercase().replacen('_', ".", 1);
        match self.current(&setting) {
            Some(_) => self.set_text(&setting, value, Origin::Environment(name)),
            None => self.unknown_variables.push(name),
        }
    }

    /// Sets from text: what the setting's default is decides how the text is read.
    fn set_text(&mut self, setting: &str, text: String, origin: Origin) {
        let value = match self.current(setting) {
            Some(Value::Integer(_)) => {
                text.parse().map(Value::Integer).map_err(|_| format!("takes a number, not {text:?}"))
            }
            Some(Value::Boolean(_)) => {
                text.parse().map(Value::Boolean).map_err(|_| format!("takes true or false, not {text:?}"))
            }
            Some(Value::Array(_)) => match items(&text) {
                items if items.is_empty() && NEVER_EMPTY.contains(&setting) => Err(
                    "has no key in it, and that would let in what nobody has signed; name one, or take the variable away"
                        .to_owned(),
                ),
                items => Ok(Value::Array(items)),
            },
            _ => Ok(Value::String(text)),
        };
        match value {
            Ok(value) => self.set(setting, value, origin),
            Err(problem) => self.problems.push(format!("{origin}: {setting} {problem}")),
        }
    }

    fn set(&mut self, setting: &str, value: Value, origin: Origin) {
        // Before it is read: what is no table could be a token, and the error would show it.
        if setting == "http.tokens" && !is_tables(&value) {
            let problem = "http.tokens takes tables: [[http.tokens]] in the file, as `warren token new` prints them";
            return self.problems.push(format!("{origin}: {problem}"));
        }
        let path = setting.split_once('.');
        let slot = path.and_then(|(section, key)| self.table.get_mut(section)?.get_mut(key));
        let Some(slot) = slot else {
            return self.problems.push(format!("{origin}: there is no setting {setting}"));
        };
        let before = std::mem::replace(slot, value);
        // Each value is read alone, so that all that are wrong are told at once, and by their own origin.
        match Config::deserialize_checked(&self.table) {
            Ok(_) => {
                self.origins.insert(setting.to_owned(), origin);
            }
            Err(problem) => {
                self.problems.push(format!("{origin}: {setting}: {problem}"));
                if let Some(slot) = path.and_then(|(section, key)| self.table.get_mut(section)?.get_mut(key)) {
                    *slot = before;
                }
            }
        }
    }

    fn current(&self, setting: &str) -> Option<&Value> {
        let (section, key) = setting.split_once('.')?;
        self.table.get(section)?.get(key)
    }

    fn finish(mut self) -> Result<Loaded, ConfigError> {
        match Config::deserialize_checked(&self.table) {
            Ok(config) => {
                self.problems.extend(config.problems());
                if self.problems.is_empty() {
                    return Ok(Loaded { config, unknown_variables: self.unknown_variables, origins: self.origins });
                }
            }
            Err(problem) => self.problems.push(problem),
        }
        Err(ConfigError(self.problems))
    }
}

/// The items of a list, which stand between commas.
fn items(text: &str) -> Vec<Value> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| Value::String(item.to_owned())).collect()
}

fn is_tables(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_table))
}

impl Config {
    fn deserialize_checked(table: &Table) -> Result<Self, String> {
        Value::Table(table.clone()).try_into().map_err(|error: toml::de::Error| error.message().trim().to_owned())
    }
}

impl Loaded {
    /// Each setting's path, its value as text with passwords masked, and where it came from; in the order of the sections.
    pub fn settings(&self) -> Vec<(String, String, Origin)> {
        let Ok(table) = Table::try_from(&self.config) else { return Vec::new() };
        let mut settings = Vec::new();
        for (section, keys) in &table {
            for (key, value) in keys.as_table().into_iter().flatten() {
                let path = format!("{section}.{key}");
                let origin = self.origins.get(&path).cloned().unwrap_or(Origin::Default);
                let text = match value {
                    Value::String(text) if key == "url" => masked(text),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                settings.push((path, text, origin));
            }
        }
        settings
    }
}

#[cfg(test)]
mod tests;
