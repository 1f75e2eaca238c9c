//! Reads a manifest and holds it against what the operator allows.

use chrono::DateTime;
use http::{HeaderName, header};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{Allow, Bounds, Directory, GrantedDirectory, Grants, HostPattern, Limits, Manifest, Retry};

/// What is wrong with a manifest: all of it, a sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct ManifestError(pub Vec<String>);

/// Where guests see the directory that is theirs alone.
pub const SCRATCH: &str = "/scratch";

impl Bounds {
    /// What a component without a manifest has.
    pub fn without_manifest(&self) -> Manifest {
        Manifest {
            limits: self.defaults.clone(),
            grants: Grants::default(),
            directories: Vec::new(),
            retries: self.retries,
        }
    }

    /// Reads a manifest's text.
    ///
    /// # Errors
    /// Unknown keys, values of the wrong kind, and what goes beyond the operator's bounds: all of it in one error.
    pub fn read(&self, text: &str) -> Result<Manifest, ManifestError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| ManifestError(vec![at_line(text, &error)]))?;
        let mut problems = Vec::new();
        let (mut limits, mut grants, mut retry) = (self.defaults.clone(), Grants::default(), Retry::default());
        for (section, value) in table {
            match (section.as_str(), value) {
                ("limits", Value::Table(asked)) => limits = self.limits(asked, &mut problems),
                ("grants", asked @ Value::Table(_)) => grants = section_of(&section, asked, &mut problems),
                ("retry", asked @ Value::Table(_)) => retry = section_of(&section, asked, &mut problems),
                ("limits" | "grants" | "retry", _) => {
                    problems.push(format!("{section} is a section: write [{section}]"));
                }
                _ => problems.push(format!("there is no {section}: a manifest has [limits], [grants] and [retry]")),
            }
        }
        self.allow.check(&grants, &mut problems);
        let retries = retry.retries.unwrap_or(self.retries);
        if retries > self.retries {
            problems.push(format!(
                "retry.retries = {retries} is more than the operator has queues for ({}); in warren.toml: [retry] retries = …",
                self.retries
            ));
        }
        if !problems.is_empty() {
            return Err(ManifestError(problems));
        }
        let directories = self.allow.directories(&grants);
        Ok(Manifest { limits, grants, directories, retries })
    }

    /// The defaults, with what is asked for in their place.
    fn limits(&self, asked: Table, problems: &mut Vec<String>) -> Limits {
        let Ok(mut table) = Table::try_from(&self.defaults) else { return self.defaults.clone() };
        let mut limits = self.defaults.clone();
        for (key, value) in asked {
            let Some(slot) = table.get_mut(&key) else {
                problems.push(format!("there is no limit {key}"));
                continue;
            };
            let before = std::mem::replace(slot, value);
            // Each value is read alone, so that all that are wrong are told.
            match Value::Table(table.clone()).try_into() {
                Ok(read) => limits = read,
                Err(error) => {
                    let error: toml::de::Error = error;
                    problems.push(format!("limits.{key}: {}", one_line(error.message())));
                    table.insert(key, before);
                }
            }
        }
        let ceiling = Table::try_from(&self.ceiling).unwrap_or_default();
        let shown = |table: &Table, name| table.get(name).map_or_else(String::new, ToString::to_string);
        for name in limits.above(&self.ceiling) {
            problems.push(format!(
                "limits.{name} = {} is more than the operator allows ({}); in warren.toml: [ceiling] {name} = …",
                shown(&table, name),
                shown(&ceiling, name)
            ));
        }
        for name in limits.impossible() {
            problems.push(format!("limits.{name} is 0: nothing could be executed"));
        }
        limits
    }
}

impl Allow {
    /// The operator's directories that are granted.
    fn directories(&self, grants: &Grants) -> Vec<GrantedDirectory> {
        let lists = [(&grants.read, &self.read, false), (&grants.write, &self.write, true)];
        let mut directories = Vec::new();
        for (asked, allowed, writable) in lists {
            for (guest_path, name) in asked {
                if let Some(directory) = allowed.iter().find(|directory| directory.name == *name) {
                    let (guest_path, directory) = (guest_path.clone(), directory.clone());
                    directories.push(GrantedDirectory { guest_path, directory, writable });
                }
            }
        }
        directories
    }

    fn check(&self, grants: &Grants, problems: &mut Vec<String>) {
        let mut require = |holds: bool, problem: &dyn Fn() -> String| {
            if !holds {
                problems.push(problem());
            }
        };
        let lists =
            [("hosts", &grants.hosts, &self.hosts), ("private_hosts", &grants.private_hosts, &self.private_hosts)];
        for (list, asked, allowed) in lists {
            for host in asked.iter().map(|grant| &grant.host) {
                require(covered(allowed, host), &|| not_allowed(&format!("{list} = [\"{host}\"]")));
            }
        }
        let secrets = grants.secrets.values().chain(grants.credentials.iter().map(|credential| &credential.secret));
        for secret in secrets {
            require(self.secrets.contains(secret), &|| not_allowed(&format!("secrets = [\"{secret}\"]")));
        }
        for grant in grants.hosts.iter().chain(&grants.private_hosts) {
            let is_method =
                |method: &String| !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
            let (host, holds) = (&grant.host, grant.methods.iter().all(is_method));
            require(holds, &|| format!("grants: a method of {host} is none: write them as GET, POST"));
        }
        for credential in &grants.credentials {
            let host = &credential.host;
            let header = &credential.header;
            require(is_header(header), &|| format!("grants.credentials: {header:?} is no header that can be added"));
            let granted = grants.hosts.iter().chain(&grants.private_hosts).any(|grant| grant.host.covers(host));
            require(granted, &|| format!("grants.credentials: {host} is in neither hosts nor private_hosts"));
            require(host.is_exact(), &|| format!("grants.credentials: {host} is not one host: a secret goes to one"));
        }
        for (list, asked, allowed) in [("read", &grants.read, &self.read), ("write", &grants.write, &self.write)] {
            for (path, name) in asked {
                require(is_guest_path(path), &|| {
                    format!("grants.{list}: {path:?} is no path of a guest's: it begins with / and has no . or ..")
                });
                let named = |directory: &Directory| directory.name == *name;
                require(allowed.iter().any(named), &|| not_allowed(&format!("{list} = [\"{name}=/path\"]")));
            }
        }
        for path in grants.read.keys() {
            require(!grants.write.contains_key(path), &|| format!("grants: {path} stands in read and in write"));
        }
        for path in grants.read.keys().chain(grants.write.keys()) {
            let taken = grants.scratch && (path == SCRATCH || path.starts_with("/scratch/"));
            require(!taken, &|| format!("grants: {path} is where the directory of its own is (scratch)"));
        }
        if let Some(time) = grants.clock {
            require(time >= DateTime::UNIX_EPOCH, &|| {
                "grants.clock is before 1970, which no guest's clock shows".into()
            });
        }
        for name in grants.env.keys() {
            require(!grants.secrets.contains_key(name), &|| format!("grants: {name} stands in env and in secrets"));
        }
        for name in grants.env.keys().chain(grants.secrets.keys()) {
            require(!name.is_empty() && !name.contains(['=', '\0']), &|| {
                format!("grants: {name:?} is no name of a variable")
            });
        }
        for (name, value) in &grants.env {
            require(!value.contains('\0'), &|| format!("grants.env: the value of {name} has a NUL in it"));
        }
    }
}

fn covered(allowed: &[HostPattern], asked: &HostPattern) -> bool {
    allowed.iter().any(|allowed| allowed.covers(asked))
}

fn not_allowed(line: &str) -> String {
    format!("the operator does not allow what would need, in warren.toml: [allow] {line}")
}

/// Not those that say what a message is made of.
fn is_header(name: &str) -> bool {
    let framing =
        [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];
    HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| !framing.contains(&name))
}

fn is_guest_path(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        !rest.is_empty() && rest.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
    })
}

/// A section as it is written, or as it is without it.
fn section_of<T: Default + DeserializeOwned>(name: &str, asked: Value, problems: &mut Vec<String>) -> T {
    asked.try_into().unwrap_or_else(|error: toml::de::Error| {
        problems.push(format!("[{name}]: {}", one_line(error.message())));
        T::default()
    })
}

/// The line, counted from 1, at which this text is no TOML.
pub fn line_of(text: &str, error: &toml::de::Error) -> Option<usize> {
    error.span().map(|at| 1 + text.bytes().take(at.start).filter(|byte| *byte == b'\n').count())
}

fn at_line(text: &str, error: &toml::de::Error) -> String {
    let place = line_of(text, error).map_or_else(String::new, |line| format!("line {line}: "));
    format!("{place}{}", one_line(error.message()))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
