//! A web server on this machine that answers well or badly, as its path says.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// The server; it ends with the test.
pub(super) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    most_open: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::serving("127.0.0.1", |stream| async move { Some(stream) }).await
    }

    /// One that speaks TLS, with a certificate that `authority.crt.pem` has signed, which no system trusts by itself.
    pub(super) async fn with_tls(ip: &str) -> Self {
        let certificate = CertificateDer::from(include_bytes!("localhost.crt.der").as_slice());
        let key = PrivateKeyDer::try_from(include_bytes!("localhost.key.der").as_slice()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::serving(ip, move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        })
        .await
    }

    async fn serving<S, F>(ip: &str, accept: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
        F: Future<Output = Option<S>> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            open: Arc::default(),
            most_open: Arc::default(),
        };
        let (connections, open, most) = (server.connections.clone(), server.open.clone(), server.most_open.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let (open, stream) = (open.clone(), accept(stream));
                tokio::spawn(async move {
                    if let Some(stream) = stream.await {
                        // Who breaks off does so on purpose.
                        let _ = serve(stream).await;
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The most connections at the same time.
    pub(super) fn most_open(&self) -> usize {
        self.most_open.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let (mut request, mut block) = (Vec::new(), [0; 4096]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut block).await? {
            0 => return Ok(()),
            read => request.extend_from_slice(&block[..read]),
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    match text.split(' ').nth(1).unwrap_or_default() {
        // The request itself, without its body.
        "/mirror" => {
            let head = text.split("\r\n\r\n").next().unwrap_or_default();
            whole(&mut stream, "200 OK", "", head).await
        }
        "/redirect" => {
            whole(&mut stream, "302 Found", "Location: http://169.254.169.254/latest/meta-data/\r\n", "").await
        }
        "/slow" => {
            // One byte of the head at a time, for ever.
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                stream.write_all(b"x-a: b\r\n").await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(b"1000\r\n").await?;
                stream.write_all(&[b'x'; 4096]).await?;
                stream.write_all(b"\r\n").await?;
            }
        }
        "/silent" => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(())
        }
        "/head" => {
            // A head that does not end.
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-long: ").await?;
            loop {
                stream.write_all(&[b'x'; 4096]).await?;
            }
        }
        "/garbage" => stream.write_all(b"\x00\x01\x02 no HTTP at all\r\n\r\n").await,
        "/wait" => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            whole(&mut stream, "200 OK", "", "hello").await
        }
        _ => whole(&mut stream, "200 OK", "", "hello").await,
    }
}

async fn whole(stream: &mut (impl AsyncWrite + Unpin), status: &str, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await
}
