//! Why the store could not do what it was asked.

use std::time::Duration;

use bytesize::ByteSize;
use event_driven::names::TaskName;

use super::{MAX_COMPONENT, MAX_INDEX, MAX_MANIFEST, Version, place::variables_of};
use crate::{
    causes,
    components::{Digest, NotSigned},
};

/// What an author may not think of who has signed a file without a manifest.
const KEEPS_MANIFEST: &str = "; the manifest is the one that the component has, as none came with the push \
                              (`warren component show NAME --output json` prints it)";

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The setting names a kind of store that there is no support for.
    #[error(
        "components.url {url}: it is neither a directory (a path, or file:///path) nor s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
    )]
    Unsupported {
        /// The setting.
        url: String,
    },
    /// The directory is not there, or can't be read or made.
    #[error(
        "components.url {url}: the directory can't be used: {source}; make it, or name another (WARREN_COMPONENTS_URL)"
    )]
    Directory {
        /// The setting.
        url: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The store does not answer as it should.
    #[error("the store of components at {url}: {}{}", causes::told(.source), hint(.url, .source))]
    Store {
        /// The setting.
        url: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// The store does not answer at all.
    #[error("the store of components at {url} has not answered within {} s; a cloud that is asked without credentials does not, either", patience.as_secs())]
    Slow {
        /// The setting.
        url: String,
        /// How long it was given.
        patience: Duration,
    },
    /// A file is too large to be taken for a component.
    #[error("component {name} has {size}, a component has at most {MAX_COMPONENT}")]
    TooLarge {
        /// The component.
        name: TaskName,
        /// The file's size.
        size: ByteSize,
    },
    /// What is given as a manifest, in whatever way, is too large for one, or no text.
    #[error("the manifest of {name} is none: it has {size}, and has to be a text in UTF-8 of at most {MAX_MANIFEST}")]
    NoManifest {
        /// The component.
        name: TaskName,
        /// What it has.
        size: ByteSize,
    },
    /// A file is too large to be taken for a signature, or no base64 of one.
    #[error(
        "{name}.wasm.sig is no signature: the base64 of the 64 bytes of Ed25519, as `warren component sign` writes it"
    )]
    NoSignature {
        /// The component.
        name: TaskName,
    },
    /// What is pushed or made current is not signed as it has to be.
    #[error("component {name} is refused: {reason}{}", if *keeps_manifest { KEEPS_MANIFEST } else { "" })]
    NotSigned {
        /// The component.
        name: TaskName,
        /// What is wrong.
        reason: NotSigned,
        /// Whether the manifest is the one that the component has, because none came with the push.
        keeps_manifest: bool,
    },
    /// A file that lies loose was replaced between the look at it and its reading.
    #[error("component {name} was replaced while it was read; the next look finds what is there now")]
    Replaced {
        /// The component.
        name: TaskName,
    },
    /// The file of a version is not what was pushed.
    #[error(
        "version {version} of {name} is damaged in the store: its digest is {found}, that of what was pushed {expected}; push the file again"
    )]
    WrongDigest {
        /// The component.
        name: TaskName,
        /// The version.
        version: Version,
        /// What the index says.
        expected: Digest,
        /// What lies there.
        found: Digest,
    },
    /// The file of a version is gone.
    #[error("version {version} of {name} has lost its file ({path}); push the file again, or use another version")]
    NoBlob {
        /// The component.
        name: TaskName,
        /// The version.
        version: Version,
        /// Where it should be.
        path: String,
    },
    /// The index of a component can't be understood.
    #[error(
        "{path} is no index of {name}: {reason}; if nobody can tell what wrote it, remove it, and the one before it counts"
    )]
    Garbage {
        /// The component.
        name: TaskName,
        /// Where it lies in the store.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The index of a component has become too large.
    #[error("the index of {name} would have {size}, an index has at most {MAX_INDEX}: its manifests are too large")]
    IndexTooLarge {
        /// The component.
        name: TaskName,
        /// What it would have.
        size: ByteSize,
    },
    /// There is a component whose name differs only in case.
    #[error(
        "there is a component {twin}, which differs from {name} only in case: a disk may take both for one; push it as {twin}, or \
         under another name"
    )]
    Twin {
        /// The component that was pushed.
        name: TaskName,
        /// The one that is there.
        twin: TaskName,
    },
    /// There is no such component.
    #[error("there is no component {name} in {url}")]
    Missing {
        /// The component.
        name: TaskName,
        /// The setting.
        url: String,
    },
    /// The component lies loose in the store: it was put there by hand and has no versions.
    #[error(
        "component {name} has no versions: it was put into the store by hand; `warren component push` gives it some"
    )]
    Loose {
        /// The component.
        name: TaskName,
    },
    /// The component has no such version.
    #[error("component {name} has no version {version}; it has {known}")]
    NoSuchVersion {
        /// The component.
        name: TaskName,
        /// The one that was asked for.
        version: Version,
        /// Those that there are.
        known: String,
    },
    /// The component has got another manifest than the one with which a file was checked.
    #[error(
        "component {name} has another manifest by now than the one that this file was checked with, by somebody else's push: nothing has changed; try again"
    )]
    OtherManifest {
        /// The component.
        name: TaskName,
    },
    /// Others changed the same component each time that it was tried.
    #[error("component {name} was changed by others each of the {tries} times that it was tried; try again")]
    Contended {
        /// The component.
        name: TaskName,
        /// How often it was tried.
        tries: u32,
    },
    /// The store replaces what it was told only to create: what two push at once would be lost.
    #[error(
        "the store of components at {url} replaces an object that was only to be created (it passes over `If-None-Match: *`): two who push at once would lose a version, so nothing is written; use a store that has conditional writes"
    )]
    NoConditionalPut {
        /// The setting.
        url: String,
    },
}

impl StoreError {
    /// Whether the store is away, and not there to refuse: it may be waited for.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Slow { .. } | Self::Store { source: object_store::Error::Generic { .. }, .. })
    }

    /// Whether the same request may succeed later though nobody repairs anything in the store.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Directory { .. }
            | Self::Store { .. }
            | Self::Slow { .. }
            | Self::Replaced { .. }
            | Self::OtherManifest { .. }
            | Self::Contended { .. } => true,
            Self::Unsupported { .. }
            | Self::TooLarge { .. }
            | Self::NoManifest { .. }
            | Self::NoSignature { .. }
            | Self::NotSigned { .. }
            | Self::WrongDigest { .. }
            | Self::NoBlob { .. }
            | Self::Garbage { .. }
            | Self::IndexTooLarge { .. }
            | Self::Twin { .. }
            | Self::Missing { .. }
            | Self::Loose { .. }
            | Self::NoSuchVersion { .. }
            | Self::NoConditionalPut { .. } => false,
        }
    }
}

/// Where to look if a cloud is not reached.
fn hint(url: &str, source: &object_store::Error) -> String {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    match (source, scheme.and_then(variables_of)) {
        (object_store::Error::Generic { .. }, Some(variables)) => {
            format!("; see whether it is there, and whether the variables {variables}… say where")
        }
        _ => String::new(),
    }
}
