//! A TCP proxy in front of RabbitMQ that can cut what goes through it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
};

/// Passes bytes on to a server, until it is told not to. Ends when dropped.
pub struct Proxy {
    pub port: u16,
    open: Arc<watch::Sender<bool>>,
    stalled: Arc<watch::Sender<bool>>,
    cut: Arc<Notify>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts on a free port in front of `server` (`host:port`).
    pub async fn start(server: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (open, stalled) = (Arc::new(watch::Sender::new(true)), Arc::new(watch::Sender::new(false)));
        let cut = Arc::new(Notify::new());
        let accept = accept(listener, server, Arc::clone(&open), stalled.subscribe(), Arc::clone(&cut));
        Self { port, open, stalled, cut, accepting: tokio::spawn(accept) }
    }

    /// Cuts all links. New ones are made.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// Lets nothing more through the links there are, without cutting them.
    pub fn stall(&self) {
        self.stalled.send_replace(true);
    }

    /// Cuts all links and refuses new ones.
    pub fn refuse(&self) {
        self.open.send_replace(false);
        self.cut();
    }

    /// Lets new links through again.
    pub fn restore(&self) {
        self.stalled.send_replace(false);
        self.open.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    server: String,
    open: Arc<watch::Sender<bool>>,
    stalled: watch::Receiver<bool>,
    cut: Arc<Notify>,
) {
    while let Ok((mut client, _)) = listener.accept().await {
        if !*open.borrow() {
            continue;
        }
        let (server, mut stalled, cut) = (server.clone(), stalled.clone(), Arc::clone(&cut));
        tokio::spawn(async move {
            let mut cut = std::pin::pin!(cut.notified());
            let mut upstream = None;
            let pass = async {
                let upstream = upstream.insert(TcpStream::connect(server).await?);
                copy_bidirectional(&mut client, upstream).await
            };
            let silence = async {
                // The proxy is gone when this fails.
                let _ = stalled.wait_for(|stalled| *stalled).await;
            };
            // Dropping both ends in the middle of their bytes is what this is for.
            tokio::select! {
                _ = pass => return,
                () = &mut cut => return,
                () = silence => {}
            }
            // Both ends stay open, and nobody reads.
            cut.await;
        });
    }
}
