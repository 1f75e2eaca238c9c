//! Makes lapin read through the filter.
//!
//! lapin takes its stream's type from its runtime kit. This kit is tokio's with another stream: TLS, where it is wanted,
//! is below the filter.

use std::{
    future::Future,
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

use async_rs::{
    Runtime, Tokio,
    traits::{Executor, Reactor, RuntimeKit},
    util::{DummyIO, Task},
};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use lapin::{
    AsyncTcpStream, Connection, ConnectionProperties,
    tcp::{AMQPUriTcpExt, TLSConfig},
    uri::AMQPUri,
};

use super::filter::Filter;

type Socket = AsyncTcpStream<<Tokio as Reactor>::TcpStream>;

/// tokio, with filtered streams.
#[derive(Debug, Clone)]
struct Filtered(Tokio);

/// Connects on the current tokio runtime.
pub(super) async fn connect(uri: AMQPUri, properties: ConnectionProperties) -> Result<Connection, lapin::Error> {
    let tokio = Tokio::current();
    let sockets = Runtime::new(tokio.clone());
    let connect = async move |uri: AMQPUri, _: Runtime<Filtered>| {
        let socket: Socket = uri.connect_with_config_async(TLSConfig::default(), &sockets).await?;
        Ok(AsyncTcpStream::Plain(Filter::new(socket)))
    };
    Connection::connector(uri, Runtime::new(Filtered(tokio)), connect, properties).await
}

impl RuntimeKit for Filtered {}

impl Executor for Filtered {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.0.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, future: F) -> Task<Self::Task<T>> {
        self.0.spawn(future)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, work: F) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(work)
    }
}

impl Reactor for Filtered {
    type TcpStream = Filter<Socket>;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// lapin does not ask for it.
    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<DummyIO, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { Ok(Filter::new(AsyncTcpStream::Plain(connecting.await?))) }
    }
}
