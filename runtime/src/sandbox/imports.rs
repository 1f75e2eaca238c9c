//! What each import of a component comes to: there for everyone, opened by a grant, or not there.
//!
//! To import is not to be granted: nearly every component imports files and variables, because its language's standard library
//! does. An author sees by this which of them the manifest opens, and which line would. Whether a component can be executed is
//! decided by [`super::Program`], by type; this tells by name.

use crate::manifest::Grants;

/// What an import comes to, for a component with certain grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Every component has it.
    Provided,
    /// These keys of `[grants]` open it.
    Granted(Vec<&'static str>),
    /// It is there and gives nothing.
    NotGranted {
        /// The lines of `[grants]` any of which would open it.
        lines: &'static [&'static str],
    },
    /// It is there and refuses everything, whatever is granted.
    NeverGranted,
    /// Nothing of that name and version is provided: the component can't be executed.
    NotProvided,
}

impl Standing {
    /// What the import of this name (`wasi:cli/environment@0.2.6`) comes to.
    pub fn of(import: &str, grants: &Grants) -> Self {
        let (interface, version) = import.split_once('@').unwrap_or((import, ""));
        let (package, name) = interface.split_once('/').unwrap_or((interface, ""));
        // Versions with the same first two numbers are compatible, and the linker takes one for the other.
        let track = if package == "warren:task" { "0.1." } else { "0.2." };
        if !version.starts_with(track) || version.contains('-') {
            return Self::NotProvided;
        }
        match (package, name) {
            ("warren:task", "types" | "context")
            | ("wasi:cli", "exit" | "stdin" | "stdout" | "stderr" | "terminal-input" | "terminal-output")
            | ("wasi:cli", "terminal-stdin" | "terminal-stdout" | "terminal-stderr")
            | ("wasi:clocks", "monotonic-clock" | "wall-clock")
            | ("wasi:http", "types")
            | ("wasi:io", "error" | "poll" | "streams")
            | ("wasi:random", "random" | "insecure" | "insecure-seed") => Self::Provided,
            ("wasi:cli", "environment") => Self::opened(
                &[("env", !grants.env.is_empty()), ("secrets", !grants.secrets.is_empty())],
                &["env = { NAME = \"value\" }", "secrets = { NAME = \"env:NAME\" }"],
            ),
            ("wasi:filesystem", "preopens" | "types") => Self::opened(
                &[("read", !grants.read.is_empty()), ("write", !grants.write.is_empty()), ("scratch", grants.scratch)],
                &["scratch = true", "read = { \"/data\" = \"name\" }", "write = { \"/out\" = \"name\" }"],
            ),
            ("wasi:http", "outgoing-handler") => Self::opened(
                &[("hosts", !grants.hosts.is_empty()), ("private_hosts", !grants.private_hosts.is_empty())],
                &["hosts = [\"host:443\"]", "private_hosts = [\"host:8080\"]"],
            ),
            ("wasi:sockets", "instance-network" | "ip-name-lookup" | "network")
            | ("wasi:sockets", "tcp" | "tcp-create-socket" | "udp" | "udp-create-socket") => Self::NeverGranted,
            (_, _unknown) => Self::NotProvided,
        }
    }

    fn opened(by: &[(&'static str, bool)], lines: &'static [&'static str]) -> Self {
        let keys: Vec<_> = by.iter().filter(|(_, granted)| *granted).map(|(key, _)| *key).collect();
        if keys.is_empty() { Self::NotGranted { lines } } else { Self::Granted(keys) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_opened_by_the_grants_that_concern_it() {
        let none = Grants::default();
        let granted = Grants { scratch: true, env: [("A".to_owned(), "b".to_owned())].into(), ..Grants::default() };
        assert_eq!(Standing::of("wasi:filesystem/types@0.2.6", &granted), Standing::Granted(vec!["scratch"]));
        assert_eq!(Standing::of("wasi:cli/environment@0.2.0", &granted), Standing::Granted(vec!["env"]));
        assert!(matches!(
            Standing::of("wasi:http/outgoing-handler@0.2.4", &granted),
            Standing::NotGranted { lines: [first, ..] } if first.starts_with("hosts = ")
        ));
        assert_eq!(Standing::of("wasi:sockets/tcp@0.2.6", &granted), Standing::NeverGranted);
        assert_eq!(Standing::of("warren:task/context@0.1.7", &none), Standing::Provided);
    }

    #[test]
    fn what_nobody_provides_is_told_by_its_name_and_version() {
        let other =
            ["acme:db/query@1.0.0", "wasi:nn/tensor@0.2.0", "wasi:cli/exit@0.3.0", "wasi:cli/exit@0.2.0-rc", "env"];
        for import in other.into_iter().chain(["warren:task/context@0.2.0", "wasi:cli", ""]) {
            assert_eq!(Standing::of(import, &Grants::default()), Standing::NotProvided, "{import}");
        }
    }
}
