//! Connects to an address that was looked at, and speaks TLS there if the URL says so. Certificates are always verified.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, LazyLock},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};
use wasmtime_wasi_http::Error;

use super::destination::Destination;

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The certificates that the system trusts, read once.
static TLS: LazyLock<Result<Arc<ClientConfig>, String>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::warn!(errors = ?found.errors, "the system trusts no certificates: no component can use HTTPS");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
});

impl Destination {
    /// Connects to the first of the addresses that takes the connection.
    pub(super) async fn connect(&self, addresses: &[SocketAddr]) -> Result<Box<dyn Stream>, Error> {
        let stream = TcpStream::connect(addresses).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
            _ => Error::Connect(error),
        })?;
        // A request and its answer are few and small writes.
        let _ = stream.set_nodelay(true);
        if !self.tls() {
            return Ok(Box::new(stream));
        }
        let config = TLS.as_ref().map_err(|error| Error::Tls(io::Error::other(error.clone())))?;
        let name = ServerName::try_from(self.bare_host().to_owned()).map_err(|_| Error::TlsCertificateError)?;
        let stream = TlsConnector::from(config.clone()).connect(name, stream).await.map_err(Error::Tls)?;
        Ok(Box::new(stream))
    }
}
