//! What compiled code depends on beyond the component: wasmtime's version, the processor's features, the engine's settings.

use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

/// A hash of everything that has to be the same where code is compiled and where it is executed. The same in each process
/// of the same binary on the same machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::components) struct EngineKey([u8; Self::LENGTH]);

impl EngineKey {
    /// Of SHA-256, in bytes.
    pub(in crate::components) const LENGTH: usize = 32;

    pub(in crate::components) fn of(engine: &Engine) -> Self {
        let mut hasher = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(hasher.0.finalize().into())
    }

    pub(in crate::components) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first half, in hex digits: enough to tell engines apart by a file's name.
    pub(super) fn short(&self) -> String {
        self.0.iter().take(Self::LENGTH / 2).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What wasmtime has to tell is given as a [`Hash`] only; the standard library's hashers are neither strong nor the same in
/// each of its versions.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The first eight bytes of the hash; nobody asks for them here.
    fn finish(&self) -> u64 {
        let hash: [u8; 32] = self.0.clone().finalize().into();
        hash.first_chunk().copied().map_or(0, u64::from_le_bytes)
    }
}
