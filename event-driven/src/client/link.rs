//! The connections of one generation, and what publishes over them.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream::BoxStream};
use lapin::{Connection, Event};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::{ClientSettings, StartError};
use crate::{
    connection::{ConnectionSettings, connect, lost},
    publisher::ConnectionPublisher,
    topology::{Declaration, TopologyError, apply},
};

/// How long closing may take before the connections are just dropped.
const CLOSE: Duration = Duration::from_secs(2);

/// For how long whoever reads from a connection that has ended may take to say why.
const REASON: Duration = Duration::from_millis(100);

/// Two connections, made together and given up together.
#[derive(Debug)]
pub(super) struct Link {
    /// Deliveries and acks.
    pub(super) consuming: Connection,
    /// Everything that goes out: RabbitMQ stops reading this one when it is short of memory.
    pub(super) publishing: Arc<Connection>,
    /// Copies for retry and dead-letter queues; a publisher of their own, so that no flood of tasks holds them up.
    pub(super) copies: ConnectionPublisher,
    /// What the service publishes.
    pub(super) outgoing: ConnectionPublisher,
    /// What RabbitMQ says of the connection that publishes.
    said: Said,
    noticed: Notify,
    reason: Mutex<Option<String>>,
}

/// What RabbitMQ says of a connection.
struct Said(AsyncMutex<BoxStream<'static, Event>>);

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Said")
    }
}

impl Link {
    pub(super) async fn open(client: &ClientSettings, plan: &[Declaration]) -> Result<Self, StartError> {
        let settings = |name: String| ConnectionSettings {
            address: client.address.clone(),
            name,
            timeout: client.connect_timeout,
        };
        let consuming = connect(&settings(client.service.to_string())).await?;
        let publishing = Arc::new(connect(&settings(format!("{} (publishing)", client.service))).await?);
        let said = Said(AsyncMutex::new(publishing.events_listener().boxed()));
        let prepare = async {
            declare(&consuming, plan).await?;
            let copies = ConnectionPublisher::new(Arc::clone(&publishing), &client.publisher).await?;
            let outgoing = ConnectionPublisher::new(Arc::clone(&publishing), &client.publisher).await?;
            Ok::<_, StartError>((copies, outgoing))
        };
        let (timeout, address) = (client.connect_timeout, || client.address.to_string());
        // Whichever comes first; a connection without its topology is dropped.
        let (copies, outgoing) = tokio::select! {
            prepared = prepare => prepared?,
            () = lost(&consuming) => return Err(StartError::Lost { address: address() }),
            () = lost(&publishing) => return Err(StartError::Lost { address: address() }),
            () = tokio::time::sleep(timeout) => return Err(StartError::Stuck { address: address(), timeout }),
        };
        let (noticed, reason) = (Notify::new(), Mutex::default());
        Ok(Self { consuming, publishing, copies, outgoing, said, noticed, reason })
    }

    /// Declares the topology again: something of it was deleted.
    pub(super) async fn declare(&self, plan: &[Declaration]) -> Result<(), TopologyError> {
        declare(&self.consuming, plan).await
    }

    pub(super) fn is_up(&self) -> bool {
        self.consuming.status().connected() && self.publishing.status().connected()
    }

    /// Bytes that all headers of one message may have.
    pub(super) fn max_header_bytes(&self) -> usize {
        self.copies.max_header_bytes()
    }

    /// Somebody saw an error that may mean the end of the link.
    pub(super) fn notice(&self, reason: String) {
        self.reason().get_or_insert(reason);
        self.noticed.notify_one();
    }

    /// Waits until RabbitMQ takes no messages any more, and says why; or, then with none, until it takes them again. Loses
    /// nothing when it is dropped.
    pub(super) async fn blocked(&self) -> Option<String> {
        let mut said = self.said.0.lock().await;
        loop {
            match said.next().await {
                Some(Event::ConnectionBlocked(reason)) => return Some(reason),
                Some(Event::ConnectionUnblocked) => return None,
                Some(_) => {}
                // The connection is gone, which `down` tells.
                None => std::future::pending().await,
            }
        }
    }

    /// Waits until a connection is gone, and says why.
    pub(super) async fn down(&self) -> String {
        while self.is_up() {
            // Whichever comes first; nothing is lost with the others.
            tokio::select! {
                () = self.noticed.notified() => {}
                () = lost(&self.consuming) => {}
                () = lost(&self.publishing) => {}
            }
        }
        if self.reason().is_none() {
            // Where nobody reads there is no reason to be had.
            let _ = tokio::time::timeout(REASON, self.noticed.notified()).await;
        }
        self.reason().take().unwrap_or_else(|| "the connection to RabbitMQ was lost".to_owned())
    }

    /// Held for moments, never across an await.
    fn reason(&self) -> MutexGuard<'_, Option<String>> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn close(&self) {
        let close = async {
            for connection in [&self.consuming, &*self.publishing] {
                // A connection that can't be closed is gone already.
                let _ = connection.close(200, "stopped".into()).await;
            }
        };
        if tokio::time::timeout(CLOSE, close).await.is_err() {
            tracing::debug!("RabbitMQ did not confirm that the connections are closed");
        }
    }
}

async fn declare(connection: &Connection, plan: &[Declaration]) -> Result<(), TopologyError> {
    for difference in apply(connection, plan).await? {
        tracing::warn!(difference, "{difference}; it is used as it stands");
    }
    Ok(())
}
