//! What `check` and `push` are given: a component in a file or in a registry, and its manifest.

use std::{fs, path::PathBuf};

use anyhow::Context;
use bytes::Bytes;
use event_driven::names::TaskName;

use super::signed::{self, name_of};
use crate::{
    cli::{
        manifest_file::ManifestFile,
        oci::{self, OciReference, Transport},
    },
    components::Signature,
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
    /// The name under which tasks ask for it, which its signature is for. Without it, the file's name, or the last part of the
    /// repository's
    #[arg(long)]
    name: Option<TaskName>,
    /// Its signature. Without it, FILE.sig, if there is one; for oci://… none
    #[arg(long, value_name = "FILE.sig")]
    signature: Option<PathBuf>,
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
    pub(super) signature: Option<Signature>,
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
    /// The name that the component has: the one that it is given, else its own.
    ///
    /// # Errors
    /// If its own is no task's name.
    pub(super) fn name(&self) -> anyhow::Result<TaskName> {
        match (&self.asked.name, &self.artifact) {
            (None, Some(reference)) => {
                let wrong = || format!("{reference}: the repository's name is no task's name; use --name");
                reference.name().parse().with_context(wrong)
            }
            (asked, _) => name_of(&self.asked.file, asked.as_ref()),
        }
    }

    /// Reads component, manifest and signature.
    ///
    /// # Errors
    /// If one of them can't be had.
    pub(super) async fn read(&self, config: &Config) -> anyhow::Result<Found> {
        let Asked { file, manifest: named, transport, .. } = self.asked;
        let signed = self.asked.signature.as_deref();
        match &self.artifact {
            Some(reference) => {
                // First what costs nothing.
                let manifest = named.as_deref().map(ManifestFile::read).transpose()?;
                let signature = signed.map(signed::read).transpose()?;
                let pulled = oci::pull(reference, *transport, config.components.max_size).await?;
                Ok(Found { origin: pulled.pinned, bytes: pulled.bytes, manifest, signature })
            }
            None => {
                let origin = file.display().to_string();
                let bytes = Bytes::from(fs::read(file).with_context(|| format!("{origin} can't be read"))?);
                let manifest = ManifestFile::find(file, named.as_deref())?;
                let signature = signed::find(file, signed)?;
                Ok(Found { origin, bytes, manifest, signature })
            }
        }
    }
}
