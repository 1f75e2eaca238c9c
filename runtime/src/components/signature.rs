//! Who vouches for a component: a signature by a key of its author's, over what a task's name stands for.
//!
//! Whoever can write to the store decides what lies there. Where the operator has named keys, only what one of them has signed
//! is stored and, above all, loaded: the store is then trusted to hold things, and with nothing else. What is signed is a
//! [`Statement`]; it names component, file and manifest, so that none of the three can be exchanged for another one. It
//! does not say when: an older signed version is as good as the newest.

mod key;
mod signers;

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use event_driven::names::TaskName;
use serde::{Deserialize, Serialize};

pub use self::{
    key::{KeyError, PublicKey, SigningKey},
    signers::{NotSigned, Signers},
};
use super::Digest;

/// What a signature says: under this name, this file with this manifest may be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    name: TaskName,
    component: Digest,
    manifest: Option<Digest>,
}

impl Statement {
    /// The statement that goes with a file of that digest. `manifest`: its text, as it is stored.
    pub fn new(name: &TaskName, component: &Digest, manifest: Option<&str>) -> Self {
        let manifest = manifest.map(|text| Digest::of(text.as_bytes()));
        Self { name: name.clone(), component: component.clone(), manifest }
    }

    /// The bytes that are signed: four lines, each with its line feed. None of them can hold another line feed, so that two
    /// statements never have the same bytes; the first line keeps them apart from whatever else a key has signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { name, component, .. } = self;
        let manifest = self.manifest();
        format!("warren-component-v1\nname {name}\ncomponent {component}\nmanifest {manifest}\n").into_bytes()
    }

    fn manifest(&self) -> &str {
        self.manifest.as_ref().map_or("none", Digest::as_str)
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name {}, component {}, manifest {}", self.name, self.component, self.manifest())
    }
}

/// An Ed25519 signature (RFC 8032) of a [`Statement`]; as text, the base64 of its 64 bytes. Whether it is good is another
/// matter, which [`Signers`] decide.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; 64]);

/// Why a text is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signature is the base64 of the 64 bytes of Ed25519, as `warren component sign` writes it")]
pub struct SignatureError;

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    /// Line breaks don't matter: `base64` makes two lines of it.
    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let text: String = text.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(text).map_err(|_| SignatureError)?;
        bytes.try_into().map(Self).map_err(|_| SignatureError)
    }
}

impl TryFrom<String> for Signature {
    type Error = SignatureError;

    fn try_from(text: String) -> Result<Self, SignatureError> {
        text.parse()
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        signature.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_signed_are_these_bytes() {
        let statement = |manifest| Statement::new(&"resize".parse().unwrap(), &Digest::of(b""), manifest).to_bytes();
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let expected = |manifest| {
            format!("warren-component-v1\nname resize\ncomponent {empty}\nmanifest {manifest}\n").into_bytes()
        };
        assert_eq!(statement(None), expected("none"));
        assert_eq!(statement(Some("")), expected(empty), "an empty manifest is one");
    }

    #[test]
    fn a_signature_is_read_however_its_base64_is_broken_into_lines() {
        let signature = Signature([7; 64]);
        let text = signature.to_string();
        assert_eq!(format!("{}\r\n{}\n", &text[..76], &text[76..]).parse(), Ok(signature));
        for wrong in ["", "c2hvcnQ=", &text[1..], &format!("{text}{text}"), &"*".repeat(88)] {
            assert_eq!(wrong.parse::<Signature>(), Err(SignatureError), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_signature_or_is_refused(text in ".{0,200}") {
            let read = text.parse::<Signature>();
            prop_assert!(read.is_err() || read.unwrap().to_string().len() == 88);
        }
    }
}
