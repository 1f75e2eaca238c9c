//! The one implementation of cryptography that TLS uses in this process.

use tokio_rustls::rustls::crypto::ring;

/// Makes ring what clients over HTTPS use that do not choose for themselves: reqwest, here and in the stores of the
/// clouds, can't be built before. May be called more than once.
pub fn install_ring() {
    // An error says that one is installed already.
    let _ = ring::default_provider().install_default();
}
