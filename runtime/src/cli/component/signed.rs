//! The signature of a component as an author has it: a file beside the component, or one that the command line names; and
//! what the commands tell of one.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use event_driven::names::TaskName;

use crate::components::{Signature, Signers, Statement};

/// The name under which a component is signed, checked and pushed: the one that was asked for, else that of its file.
pub(super) fn name_of(component: &Path, asked: Option<&TaskName>) -> anyhow::Result<TaskName> {
    if let Some(name) = asked {
        return Ok(name.clone());
    }
    let stem = component.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let path = component.display();
    stem.parse().with_context(|| format!("{path}: the file's name is no task's name; use --name"))
}

/// Where the signature of a component's file lies: `hello.wasm.sig` beside `hello.wasm`.
pub(super) fn beside(component: &Path) -> PathBuf {
    let mut path = OsString::from(component);
    path.push(".sig");
    path.into()
}

/// Reads the signature that was asked for, else the one beside the component, if there is one.
pub(super) fn find(component: &Path, asked: Option<&Path>) -> anyhow::Result<Option<Signature>> {
    if let Some(path) = asked {
        return read(path).map(Some);
    }
    let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match read(&beside(component)) {
        Err(error) if error.downcast_ref().is_some_and(is_missing) => Ok(None),
        read => read.map(Some),
    }
}

/// Reads the signature in a file.
pub(super) fn read(path: &Path) -> anyhow::Result<Signature> {
    let origin = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("the signature {origin} can't be read"))?;
    text.parse().with_context(|| format!("{origin} is no signature"))
}

/// Who has signed it, for people: the key, if it is one that counts here.
pub(super) fn told(signers: &Signers, statement: &Statement, signature: Option<&Signature>) -> String {
    match (signature, signers.signer(statement, signature)) {
        (None, _) => "no".to_owned(),
        (Some(_), Some(key)) => key.to_string(),
        (Some(_), None) if signers.are_required() => "by no key of the settings".to_owned(),
        // Without keys nobody can tell by whom.
        (Some(_), None) => "yes".to_owned(),
    }
}
