//! What an execution is made of: a component, its manifest and a payload, each from where the command line says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use bytes::Bytes;
use event_driven::{message::JsonText, names::TaskName};

use crate::{
    cli::{
        manifest_file::ManifestFile,
        oci::{self, OciReference, Transport},
        payload,
    },
    components::{ComponentStore, Digest, Statement},
    config::Config,
};

/// Where a component is.
pub(super) enum Source {
    /// A file of an author's.
    File(PathBuf),
    /// In a registry.
    Artifact(OciReference, Transport),
    /// The store, where a runtime would find it.
    Store(TaskName),
}

/// All that an execution is made of. Where two are equal, there is nothing new to execute.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Input {
    /// The component as messages name it: the path of its file, its reference, or its name.
    pub(super) origin: String,
    /// The task's name, as the guest is told it.
    pub(super) task_name: String,
    pub(super) component: Bytes,
    pub(super) manifest: Option<ManifestFile>,
    pub(super) payload: String,
}

impl Source {
    /// A path, a reference, or the name of a component in the store.
    pub(super) fn of(component: &str, transport: Transport) -> anyhow::Result<Self> {
        if let Some(reference) = OciReference::find(component)? {
            return Ok(Self::Artifact(reference, transport));
        }
        if component.contains('/') || component.ends_with(".wasm") {
            return Ok(Self::File(component.into()));
        }
        let hint = || format!("{component:?} is no component's name; a file is named by its path: ./{component}");
        Ok(Self::Store(component.parse().with_context(hint)?))
    }

    /// Reads everything. `payload` is as [`payload::read`] takes it.
    pub(super) async fn read(&self, config: &Config, manifest: Option<&Path>, payload: &str) -> anyhow::Result<Input> {
        let payload = payload::read(payload)?;
        let payload = JsonText::new(payload.get()).context("the payload")?.as_str().to_owned();
        match self {
            Self::File(path) => {
                let origin = path.display().to_string();
                let missing = || format!("{origin} can't be read; `warren component build` makes one of a crate");
                let component = Bytes::from(fs::read(path).with_context(missing)?);
                let manifest = ManifestFile::find(path, manifest)?;
                let task_name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                Ok(Input { origin, task_name, component, manifest, payload })
            }
            Self::Artifact(reference, transport) => {
                let manifest = manifest.map(ManifestFile::read).transpose()?;
                let pulled = oci::pull(reference, *transport, config.components.max_size).await?;
                let task_name = reference.name().to_owned();
                Ok(Input { origin: pulled.pinned, task_name, component: pulled.bytes, manifest, payload })
            }
            Self::Store(name) => {
                let url = &config.components.url;
                let by_path =
                    || format!("{name} is looked for in the store; a file is named by its path: ./{name}.wasm");
                let store = ComponentStore::open(url).with_context(by_path)?;
                let missing = || {
                    format!(
                        "there is no component {name} in {url}; `warren component push` puts one there, and a file is named \
                         by its path: ./{name}.wasm"
                    )
                };
                let stored = store.head(name).await?.with_context(missing)?;
                let component = store.read(&stored).await?;
                let stored_manifest = |text| ManifestFile { origin: format!("of {name} in {url}"), text };
                let (manifest, with) = match manifest {
                    Some(path) => (Some(ManifestFile::read(path)?), format!(" with the manifest {}", path.display())),
                    None => (store.manifest(&stored).await?.map(stored_manifest), String::new()),
                };
                let signers = config.to_signers();
                if signers.are_required() {
                    let text = manifest.as_ref().map(|file| file.text.as_str());
                    let statement = Statement::new(name, &Digest::of(&component), text);
                    let refused = || format!("component {name} in {url} is refused{with}");
                    signers.ensure(&statement, store.signature(&stored).await?.as_ref()).with_context(refused)?;
                }
                Ok(Input { origin: name.to_string(), task_name: name.to_string(), component, manifest, payload })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_file_a_reference_an_artifact_and_a_name_what_is_in_the_store() {
        let of = |text| Source::of(text, Transport::default());
        let is_file = |text| matches!(of(text).unwrap(), Source::File(_));
        assert!(is_file("./hello") && is_file("/tmp/x") && is_file("hello.wasm"));
        assert!(!is_file("hello") && !is_file("my-task.v2"));
        assert!(matches!(of("oci://localhost/hello:1").unwrap(), Source::Artifact(..)));
        assert!(of("..").err().unwrap().to_string().contains("./.."));
    }
}
