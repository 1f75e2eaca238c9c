//! Whether a runtime with these settings would take a component: what `check` prints, `build` tells and `push` insists on.

use anyhow::bail;
use bytes::Bytes;

use crate::{
    cli::{local::Local, manifest_file::ManifestFile},
    components::{Digest, imports},
    config::Config,
    sandbox::{ProgramError, Standing},
};

/// What was found of a component.
pub(super) struct Verdict {
    /// Known if it could be compiled.
    pub(super) digest: Option<Digest>,
    /// What it imports, as far as it could be read, and what that comes to with its manifest.
    pub(super) imports: Vec<(String, Standing)>,
    /// Why no runtime would take it: a sentence each, with what to do.
    pub(super) problems: Vec<String>,
}

impl Verdict {
    pub(super) fn is_usable(&self) -> bool {
        self.problems.is_empty()
    }

    /// What a component that can be used imports.
    ///
    /// # Errors
    /// All that is wrong with it, if it can't be.
    pub(super) fn imports_if_usable(self, path: &str) -> anyhow::Result<Vec<String>> {
        if !self.is_usable() {
            bail!("{path} can't be a component of warren: {}", self.problems.join("; "));
        }
        Ok(self.imports.into_iter().map(|(import, _)| import).collect())
    }
}

/// Does what a runtime does when it loads the file. All but its secrets, which are the runtime's to read.
///
/// # Errors
/// If there is no sandbox with these settings. What is wrong with the component is in the verdict.
pub(super) async fn examine(config: &Config, bytes: Bytes, manifest: Option<&ManifestFile>) -> anyhow::Result<Verdict> {
    let local = Local::new(config)?;
    let bounds = config.to_bounds();
    let mut problems = Vec::new();
    let nothing = bounds.without_manifest();
    let grants = match manifest.map(|file| file.within(&bounds)) {
        Some(Ok(manifest)) => manifest.grants,
        Some(Err(error)) => {
            problems.push(format!("{error:#}"));
            nothing.grants.clone()
        }
        None => nothing.grants.clone(),
    };
    let (digest, component) = match local.compile(bytes).await {
        Ok(compiled) => compiled,
        Err(error) => {
            problems.push(error.to_string());
            return Ok(Verdict { digest: None, imports: Vec::new(), problems });
        }
    };
    let standing = |import: String| (import.clone(), Standing::of(&import, &grants));
    let imports: Vec<_> = imports(&component).into_iter().map(standing).collect();
    if let Err(error) = local.sandbox.prepare(&component, nothing) {
        problems.push(all_unknown(&imports, error).to_string());
    }
    Ok(Verdict { digest: Some(digest), imports, problems })
}

/// The sandbox tells the first import that it does not have; an author wants all of them.
fn all_unknown(imports: &[(String, Standing)], error: ProgramError) -> ProgramError {
    let unknown = imports.iter().filter(|(_, standing)| *standing == Standing::NotProvided);
    let unknown: Vec<_> = unknown.map(|(import, _)| import.as_str()).collect();
    match error {
        ProgramError::UnknownImport { .. } | ProgramError::Imports(_) if !unknown.is_empty() => {
            ProgramError::UnknownImport { import: unknown.join(", ") }
        }
        error => error,
    }
}
