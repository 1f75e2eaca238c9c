//! A component's manifest as an author has it: a file beside the component, or one that the command line names.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::manifest::{Bounds, Manifest};

/// A manifest's text, and where it is from, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ManifestFile {
    pub(super) origin: String,
    pub(super) text: String,
}

impl ManifestFile {
    /// Reads the manifest that was asked for, else the one beside the component, if there is one.
    pub(super) fn find(component: &Path, asked: Option<&Path>) -> anyhow::Result<Option<Self>> {
        if let Some(path) = asked {
            return Self::read(path).map(Some);
        }
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match Self::read(&Self::beside(component)) {
            Err(error) if error.downcast_ref().is_some_and(is_missing) => Ok(None),
            read => read.map(Some),
        }
    }

    /// Reads the manifest in a file.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let origin = path.display().to_string();
        let text = fs::read_to_string(path).with_context(|| format!("the manifest {origin} can't be read"))?;
        Ok(Self { origin, text })
    }

    /// Where the manifest of a component's file lies: `hello.toml` beside `hello.wasm`.
    pub(super) fn beside(component: &Path) -> PathBuf {
        component.with_extension("toml")
    }

    /// Reads it within what the operator allows.
    pub(super) fn within(&self, bounds: &Bounds) -> anyhow::Result<Manifest> {
        bounds.read(&self.text).with_context(|| format!("the manifest {} can't be used", self.origin))
    }
}
