//! Whose signatures count: the keys that the operator has named, and what they are asked.

use std::sync::Arc;

use event_driven::names::TaskName;

use super::{PublicKey, Signature, Statement};

/// The keys of the setting `components.require_signatures`. Cheap to clone. None: nothing has to be signed.
#[derive(Debug, Clone, Default)]
pub struct Signers(Arc<[PublicKey]>);

/// Why something is not taken, where signatures are required.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// It has no signature.
    #[error(
        "it is not signed, and has to be (setting components.require_signatures): `warren component sign FILE --name {name} \
         --key KEY.pem` makes the signature"
    )]
    Missing {
        /// The component.
        name: TaskName,
    },
    /// It has one that is good for nothing here. A signature does not tell what it was made for, nor by whom.
    #[error(
        "its signature is by none of the keys in components.require_signatures, or of something else: it has to be of {expected}"
    )]
    Wrong {
        /// What it has to be of.
        expected: Box<Statement>,
    },
}

impl Signers {
    /// These keys, of which each one is enough.
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self(keys.into())
    }

    /// Whether only what is signed is taken.
    pub fn are_required(&self) -> bool {
        !self.0.is_empty()
    }

    /// The key that has signed the statement so. `None` also where it is signed by one that is not among these.
    pub fn signer(&self, statement: &Statement, signature: Option<&Signature>) -> Option<&PublicKey> {
        let signature = signature?;
        self.0.iter().find(|key| key.has_signed(statement, signature))
    }

    /// That one of the keys has signed the statement, if signatures are required at all.
    ///
    /// # Errors
    /// If none has.
    pub fn ensure(&self, statement: &Statement, signature: Option<&Signature>) -> Result<(), NotSigned> {
        if !self.are_required() || self.signer(statement, signature).is_some() {
            return Ok(());
        }
        Err(match signature {
            None => NotSigned::Missing { name: statement.name.clone() },
            Some(_) => NotSigned::Wrong { expected: Box::new(statement.clone()) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::{Digest, SigningKey};

    fn key() -> SigningKey {
        SigningKey::from_pem(SigningKey::new_pem().unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn a_signature_is_good_for_its_name_file_and_manifest_alone() {
        let (old, new) = (key(), key());
        let signers = Signers::new(vec![old.public_key(), new.public_key()]);
        let of = |name: &str, file: &str, manifest| {
            Statement::new(&name.parse().unwrap(), &Digest::of(file.as_bytes()), manifest)
        };
        let statement = of("work", "file", Some("[grants]"));
        // With two keys, as while one takes the place of the other, each is enough.
        for key in [&old, &new] {
            let signature = key.sign(&statement);
            assert_eq!(signers.ensure(&statement, Some(&signature)), Ok(()));
            assert_eq!(signers.signer(&statement, Some(&signature)), Some(&key.public_key()));
            for other in [
                of("work2", "file", Some("[grants]")),
                of("work", "other", Some("[grants]")),
                of("work", "file", Some("[grants]\n")),
                of("work", "file", Some("")),
                of("work", "file", None),
            ] {
                let told = signers.ensure(&other, Some(&signature)).unwrap_err();
                assert!(told.to_string().ends_with(&format!("it has to be of {other}")), "{told}");
                assert_eq!(signers.signer(&other, Some(&signature)), None);
            }
        }
        assert!(matches!(signers.ensure(&statement, None), Err(NotSigned::Missing { .. })));
        let stranger = key().sign(&statement);
        assert!(matches!(signers.ensure(&statement, Some(&stranger)), Err(NotSigned::Wrong { .. })));
        let nobody = Signers::default();
        assert_eq!((nobody.ensure(&statement, None), nobody.ensure(&statement, Some(&stranger))), (Ok(()), Ok(())));
    }
}
