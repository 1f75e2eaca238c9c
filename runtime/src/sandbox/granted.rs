//! A manifest's grants, made ready when the component is loaded: secrets are read once, not by every task.

use std::{sync::Arc, time::Duration};

use rand::{SeedableRng, rngs::StdRng};
use wasmtime_wasi::{FsPerms, HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use super::{
    http::HttpGrants,
    scratch::{Scratch, Scratches},
};
use crate::manifest::{Directory, GrantedDirectory, Manifest, SCRATCH, SecretError};

/// What the executions of one component may reach.
pub(super) struct Granted {
    /// With the secrets among them.
    variables: Vec<(String, String)>,
    directories: Vec<GrantedDirectory>,
    scratch: bool,
    /// Since the epoch of Unix.
    clock: Option<Duration>,
    random: Option<u64>,
    pub(super) http: Arc<HttpGrants>,
}

/// Why an execution can't have what it was granted.
#[derive(Debug, thiserror::Error)]
pub(super) enum GrantError {
    #[error("the directory {} at {} can't be opened: {source}; the operator named it in warren.toml: [allow]", .directory.name, .directory.path.display())]
    Directory { directory: Directory, source: wasmtime::Error },
    #[error("there is no room for a directory of its own: {0}")]
    Scratch(std::io::Error),
}

impl Granted {
    pub(super) fn new(manifest: &Manifest) -> Result<Self, SecretError> {
        let grants = &manifest.grants;
        let mut variables: Vec<_> = grants.env.clone().into_iter().collect();
        for (name, secret) in &grants.secrets {
            variables.push((name.clone(), secret.read()?));
        }
        Ok(Self {
            variables,
            directories: manifest.directories.clone(),
            scratch: grants.scratch,
            clock: grants
                .clock
                .map(|time| time.signed_duration_since(chrono::DateTime::UNIX_EPOCH).to_std().unwrap_or_default()),
            random: grants.random,
            http: Arc::new(HttpGrants::new(grants)?),
        })
    }

    /// Gives an execution the variables, the clock and the random numbers that were granted.
    pub(super) fn give_variables(&self, context: &mut WasiCtxBuilder) {
        context.envs(&self.variables);
        if let Some(time) = self.clock {
            context.wall_clock(Stopped(time)).monotonic_clock(Stopped(Duration::ZERO));
        }
        if let Some(seed) = self.random {
            context.secure_random(StdRng::seed_from_u64(seed));
            context.insecure_random(StdRng::seed_from_u64(seed)).insecure_random_seed(seed.into());
        }
    }

    /// Whether there are directories to be given.
    pub(super) fn has_directories(&self) -> bool {
        self.scratch || !self.directories.is_empty()
    }

    /// Gives an execution the directories that were granted, and its own, which is gone when that is dropped.
    pub(super) fn give_directories(
        &self,
        context: &mut WasiCtxBuilder,
        scratches: &Scratches,
    ) -> Result<Option<Scratch>, GrantError> {
        for GrantedDirectory { guest_path, directory, writable } in &self.directories {
            let perms = if *writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
            let opened = context.preopened_dir(&directory.path, guest_path, perms);
            opened.map_err(|source| GrantError::Directory { directory: directory.clone(), source })?;
        }
        if !self.scratch {
            return Ok(None);
        }
        let scratch = scratches.make().map_err(GrantError::Scratch)?;
        let opened = scratch.path().map(|path| context.preopened_dir(path, SCRATCH, FsPerms::ReadWrite));
        opened.transpose().map_err(|error| GrantError::Scratch(std::io::Error::other(error)))?;
        Ok(Some(scratch))
    }
}

/// A clock that does not go.
struct Stopped(Duration);

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}
