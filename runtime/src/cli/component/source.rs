//! What `check` and `push` are given: a component in a file or in a registry, and its manifest.

use std::{fs, path::PathBuf};

use anyhow::Context;
use bytes::Bytes;
use event_driven::names::TaskName;

use crate::{
    cli::{
        manifest_file::ManifestFile,
        oci::{self, OciReference, Transport},
    },
    config::Config,
};

/// What the command line says of both.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    /// The component, compiled for wasm32-wasip2: a file, or an artifact, oci://registry/repository:tag (or @sha256:…)
    file: PathBuf,
    /// Its limits and grants. Without it, the file beside FILE that ends in .toml, if there is one; for oci://… none
    #[arg(long, value_name = "FILE.toml")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    transport: Transport,
}

/// Where a component is.
pub(super) struct Source<'a> {
    asked: &'a Asked,
    artifact: Option<OciReference>,
}

/// A component and its manifest, read.
pub(super) struct Found {
    /// The component as messages name it.
    pub(super) origin: String,
    pub(super) bytes: Bytes,
    pub(super) manifest: Option<ManifestFile>,
}

impl Asked {
    /// Tells files from artifacts. Reads nothing yet.
    ///
    /// # Errors
    /// If a reference is none.
    pub(super) fn source(&self) -> anyhow::Result<Source<'_>> {
        // A path that is no Unicode is a file's.
        let artifact = self.file.to_str().map(OciReference::find).transpose()?.flatten();
        Ok(Source { asked: self, artifact })
    }
}

impl Source<'_> {
    /// The name that the component has if it is given no other.
    ///
    /// # Errors
    /// If that is no task's name.
    pub(super) fn name(&self) -> anyhow::Result<TaskName> {
        match &self.artifact {
            Some(reference) => {
                let wrong = || format!("{reference}: the repository's name is no task's name; use --name");
                reference.name().parse().with_context(wrong)
            }
            None => {
                let file = &self.asked.file;
                let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                let wrong = || format!("{}: the file's name is no task's name; use --name", file.display());
                stem.parse().with_context(wrong)
            }
        }
    }

    /// Reads component and manifest.
    ///
    /// # Errors
    /// If one of them can't be had.
    pub(super) async fn read(&self, config: &Config) -> anyhow::Result<Found> {
        let Asked { file, manifest: named, transport } = self.asked;
        match &self.artifact {
            Some(reference) => {
                // First what costs nothing.
                let manifest = named.as_deref().map(ManifestFile::read).transpose()?;
                let pulled = oci::pull(reference, *transport, config.components.max_size).await?;
                Ok(Found { origin: pulled.pinned, bytes: pulled.bytes, manifest })
            }
            None => {
                let origin = file.display().to_string();
                let bytes = Bytes::from(fs::read(file).with_context(|| format!("{origin} can't be read"))?);
                let manifest = ManifestFile::find(file, named.as_deref())?;
                Ok(Found { origin, bytes, manifest })
            }
        }
    }
}
