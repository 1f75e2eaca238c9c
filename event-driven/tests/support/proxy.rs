//! A TCP proxy in front of a server that can cut what goes through it.

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
    signals: Arc<Signals>,
    accepting: JoinHandle<()>,
}

/// What the links are told.
#[derive(Default)]
struct Signals {
    cut: Notify,
    resumed: Notify,
}

impl Proxy {
    /// Starts on a free port in front of `server` (`host:port`).
    pub async fn start(server: String) -> Self {
        Self::start_at(0, server).await
    }

    /// Starts on this port; 0 is a free one.
    pub async fn start_at(port: u16, server: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let port = listener.local_addr().expect("an address").port();
        let (open, stalled) = (Arc::new(watch::Sender::new(true)), Arc::new(watch::Sender::new(false)));
        let signals = Arc::new(Signals::default());
        let accept = accept(listener, server, Arc::clone(&open), stalled.subscribe(), Arc::clone(&signals));
        Self { port, open, stalled, signals, accepting: tokio::spawn(accept) }
    }

    /// Cuts all links. New ones are made.
    pub fn cut(&self) {
        self.signals.cut.notify_waiters();
    }

    /// Lets nothing more through, without cutting a link.
    pub fn stall(&self) {
        self.stalled.send_replace(true);
    }

    /// Cuts all links and refuses new ones.
    pub fn refuse(&self) {
        self.open.send_replace(false);
        self.cut();
    }

    /// Lets new links through again. Those that were stalled stay silent.
    pub fn restore(&self) {
        self.stalled.send_replace(false);
        self.open.send_replace(true);
    }

    /// Lets everything through again: what was stalled goes on, and new links are made.
    pub fn resume(&self) {
        self.restore();
        self.signals.resumed.notify_waiters();
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
    signals: Arc<Signals>,
) {
    while let Ok((mut client, _)) = listener.accept().await {
        if !*open.borrow() {
            continue;
        }
        let (server, mut stalled, signals) = (server.clone(), stalled.clone(), Arc::clone(&signals));
        tokio::spawn(async move {
            let mut cut = std::pin::pin!(signals.cut.notified());
            let mut upstream = None;
            let mut pass = std::pin::pin!(async {
                let upstream = upstream.insert(TcpStream::connect(server).await?);
                copy_bidirectional(&mut client, upstream).await
            });
            loop {
                // Dropping both ends in the middle of their bytes is what this is for.
                tokio::select! {
                    _ = &mut pass => return,
                    () = &mut cut => return,
                    () = is_true(&mut stalled) => {}
                }
                // Both ends stay open, and nobody reads.
                tokio::select! {
                    () = &mut cut => return,
                    () = signals.resumed.notified() => {}
                }
            }
        });
    }
}

/// Waits until it is so.
async fn is_true(stalled: &mut watch::Receiver<bool>) {
    // The proxy is gone when this fails, and so are its links.
    let _ = stalled.wait_for(|stalled| *stalled).await;
}
