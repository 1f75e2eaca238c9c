//! The keys: the private one, with which an author signs, and the public one, which the operator names in the settings.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};

use super::{Signature, Statement};

/// How the text of a public key begins: another kind of signature would have another beginning.
const PREFIX: &str = "ed25519:";

/// What is shown of a text that is no public key: enough to find it in a list, and too little of a private key to be of use.
const SHOWN: usize = 16;

/// What stands in front of the 32 bytes of a private key in its PKCS#8 form, as OpenSSL writes and reads it. Source: RFC
/// 8410, section 7.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Public keys for which anybody can make signatures: the points of small order, by their y coordinate (the sign bit counts
/// for nothing), also in the forms that are not reduced. One of zeros, which may stand in a template, is among them.
/// Source: the multiples of a point of order 8 on the curve of RFC 8032, section 5.1; y + p where that has 255 bits.
const WEAK: [[u8; 32]; 7] = [
    [0; 32],
    little(1, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    little(0xec, 0xff, 0x7f),
    little(0xed, 0xff, 0x7f),
    little(0xee, 0xff, 0x7f),
];

/// 32 bytes: the first one, the 30 between, the last one.
const fn little(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// An Ed25519 public key; as text, `ed25519:` and the base64 of its 32 bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

/// Why a key can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A text is no public key. It is told by its beginning alone: it may be a private key that was put in the wrong place.
    #[error(
        "{beginning:?} is no public key: that is ed25519: and the base64 of 32 bytes, as `warren key new` prints it ({found}). \
         Of a key of OpenSSL's it is: openssl pkey -in KEY.pem -pubout -outform DER | tail -c 32 | base64"
    )]
    Public {
        /// The first 16 characters.
        beginning: String,
        /// What is wrong with it.
        found: String,
    },
    /// A file is no private key.
    #[error(
        "it is no private key for Ed25519, in PKCS#8 as PEM and without a password ({0}): `warren key new` makes one, and so \
         does `openssl genpkey -algorithm ed25519`"
    )]
    Private(String),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a key: {0}")]
    Random(getrandom::Error),
}

impl PublicKey {
    /// Whether the holder of this key's private one has signed the statement.
    pub fn has_signed(&self, statement: &Statement, signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(&statement.to_bytes(), &signature.0).is_ok()
    }

    fn is_weak(&self) -> bool {
        let mut y = self.0;
        y[31] &= 0x7f;
        WEAK.contains(&y)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = |found: String| KeyError::Public { beginning: text.chars().take(SHOWN).collect(), found };
        let Some(base64) = text.strip_prefix(PREFIX) else {
            return Err(wrong(format!("it does not begin with {PREFIX}")));
        };
        let bytes = STANDARD.decode(base64).map_err(|error| wrong(format!("it is no base64: {error}")))?;
        let key = Self(bytes.try_into().map_err(|bytes: Vec<_>| wrong(format!("it has {} bytes", bytes.len())))?);
        match key.is_weak() {
            true => Err(wrong("anybody can make signatures for this one".to_owned())),
            false => Ok(key),
        }
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

/// A private key. Only an author has one; a runtime never does.
#[derive(Debug)]
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The PEM text of a new one: PKCS#8 without a password, which OpenSSL reads as well.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn new_pem() -> Result<String, KeyError> {
        let mut der = [0; 48];
        let (head, seed) = der.split_at_mut(PKCS8.len());
        head.copy_from_slice(&PKCS8);
        getrandom::fill(seed).map_err(KeyError::Random)?;
        // 48 bytes are one line of PEM.
        Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der)))
    }

    /// The private key of a PEM text.
    ///
    /// # Errors
    /// If there is none, or it is encrypted or of another kind.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|error| KeyError::Private(error.to_string()))?;
        // OpenSSL leaves the public key out: there is nothing to check it against.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(Self).map_err(|error| KeyError::Private(error.to_string()))
    }

    /// Its public key.
    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// Signs a statement.
    pub fn sign(&self, statement: &Statement) -> Signature {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.0.sign(&statement.to_bytes()).as_ref());
        Signature(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::Digest;

    fn statement(n: u32) -> Statement {
        Statement::new(&"work".parse().unwrap(), &Digest::of(&n.to_be_bytes()), None)
    }

    #[test]
    fn what_a_key_has_signed_is_known_by_its_public_key() {
        let key = SigningKey::from_pem(SigningKey::new_pem().unwrap().as_bytes()).unwrap();
        let other = SigningKey::from_pem(SigningKey::new_pem().unwrap().as_bytes()).unwrap();
        let public: PublicKey = key.public_key().to_string().parse().unwrap();
        let signature = key.sign(&statement(1));
        assert!(public.has_signed(&statement(1), &signature));
        assert!(!public.has_signed(&statement(2), &signature));
        assert!(!other.public_key().has_signed(&statement(1), &signature));
    }

    /// Source: RFC 8032, section 7.1, test 1.
    #[test]
    fn a_private_key_has_the_public_key_of_the_standard() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let der = STANDARD.encode([&PKCS8[..], &seed].concat());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
        let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(key.public_key().to_string(), "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    }

    #[test]
    fn a_text_that_is_no_public_key_is_told_by_its_beginning_alone() {
        for (text, told) in [
            ("", "does not begin with ed25519:"),
            ("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "does not begin with ed25519:"),
            ("ed25519:!", "no base64"),
            ("ed25519:MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "it has 44 bytes"),
            ("ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUQ==", "it has 31 bytes"),
            ("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIE", "does not begin with ed25519:"),
        ] {
            let error = text.parse::<PublicKey>().unwrap_err().to_string();
            let (beginning, rest) = text.split_at(text.len().min(SHOWN));
            assert!(error.starts_with(&format!("{beginning:?} is no public key")) && error.contains(told), "{error}");
            assert!(rest.is_empty() || !error.contains(rest), "{error}");
        }
    }

    /// For such a key, R = 1 and S = 0 is a signature of one statement in eight at least: nobody's private key was needed.
    #[test]
    fn keys_for_which_anybody_can_sign_are_refused() {
        let mut forged = [0; 64];
        forged[0] = 1;
        let forged = Signature(forged);
        let is_forged = |key: &PublicKey| (0..200).any(|n| key.has_signed(&statement(n), &forged));
        for y in WEAK {
            for sign in [0, 0x80] {
                let mut bytes = y;
                bytes[31] |= sign;
                let told = PublicKey(bytes).to_string().parse::<PublicKey>().unwrap_err().to_string();
                assert!(told.contains("anybody can make signatures"), "{told}");
            }
        }
        // The last two are not reduced: whether those are taken for keys is for each library to say.
        for y in &WEAK[..5] {
            assert!(is_forged(&PublicKey(*y)), "{y:x?}");
        }
        let good = SigningKey::from_pem(SigningKey::new_pem().unwrap().as_bytes()).unwrap().public_key();
        assert!(!is_forged(&good) && !good.is_weak());
    }

    #[test]
    fn a_file_that_is_no_private_key_is_refused() {
        let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        let cut_off = SigningKey::new_pem().unwrap()[..60].to_owned();
        let empty = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n";
        for pem in [public, &cut_off, empty, "", "hello"] {
            let told = SigningKey::from_pem(pem.as_bytes()).unwrap_err().to_string();
            assert!(told.contains("no private key for Ed25519"), "{pem}: {told}");
        }
    }
}
