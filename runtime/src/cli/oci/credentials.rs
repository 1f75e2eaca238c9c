//! The user and the password of a registry, where `docker login` keeps them.
//!
//! `config.json` in `DOCKER_CONFIG`, else in `~/.docker`, holds them itself or names the program that does. `oras login` and `wkg`
//! use the same file. They go to the registry and into no message.

use std::{
    fs::File,
    io::{BufReader, ErrorKind},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use docker_credential::{CredentialRetrievalError as Refused, DockerCredential};

/// How Docker calls its own registry in that file.
const DOCKER_HUB: (&str, &str) = ("index.docker.io", "https://index.docker.io/v1/");

/// What a program of Docker's says where it has nothing. It fails then, as in each other case.
const NOTHING_KEPT: &str = "credentials not found";

/// Who asks.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

/// Finds the login for a registry; `None` where there is none. Blocks: it may start a program.
///
/// # Errors
/// If there is one that can't be read.
pub(super) fn find(registry: &str) -> anyhow::Result<Option<Login>> {
    config_file().map_or(Ok(None), |path| find_in(&path, registry))
}

fn find_in(path: &Path, registry: &str) -> anyhow::Result<Option<Login>> {
    let shown = path.display();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{shown}, where `docker login` keeps logins")),
    };
    let (hub, key) = DOCKER_HUB;
    let key = if registry == hub { key } else { registry };
    match docker_credential::get_credential_from_reader(BufReader::new(file), key) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Login { user, password })),
        Ok(DockerCredential::IdentityToken(_)) => bail!(
            "the login for {registry} in {shown} is an identity token, which is not supported: log in with a user and a \
             password or an access token"
        ),
        Err(Refused::NoCredentialConfigured) => Ok(None),
        Err(Refused::HelperFailure { stdout, .. }) if stdout.contains(NOTHING_KEPT) => Ok(None),
        // What it has said may be anything, a password too.
        Err(Refused::HelperFailure { helper, .. }) => {
            bail!("{helper}, which {shown} names, has failed: `echo {key} | {helper} get` shows why")
        }
        Err(error) => Err(error).with_context(|| {
            format!("the login for {registry} in {shown} can't be read: `docker login {registry}` writes it anew")
        }),
    }
}

fn config_file() -> Option<PathBuf> {
    let folder = match std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => std::env::home_dir()?.join(".docker"),
    };
    Some(folder.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_by_the_name_that_its_registry_has_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let found = |registry: &str| find_in(&path, registry).unwrap().map(|login| (login.user, login.password));
        assert_eq!(found("localhost:5000"), None, "there is no file");
        // In base64: hub:1, and local:2:3.
        let text =
            r#"{"auths":{"https://index.docker.io/v1/":{"auth":"aHViOjE="},"localhost:5000":{"auth":"bG9jYWw6Mjoz"}}}"#;
        std::fs::write(&path, text).unwrap();
        assert_eq!(found("index.docker.io"), Some(("hub".into(), "1".into())));
        assert_eq!(found("localhost:5000"), Some(("local".into(), "2:3".into())));
        assert_eq!(found("localhost"), None);
    }
}
