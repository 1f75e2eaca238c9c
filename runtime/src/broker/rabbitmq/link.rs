//! The connections of one generation, and what publishes over them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use event_driven::{
    connection::{ConnectionSettings, connect, lost},
    publisher::{Publisher, PublisherSettings},
    topology::{Declaration, TopologyError, apply},
};
use lapin::Connection;
use tokio::sync::Notify;

use super::super::{BrokerConfig, ConnectError};

/// How long closing may take before the connections are just dropped.
const CLOSE: Duration = Duration::from_secs(2);

/// Two connections, made together and given up together.
#[derive(Debug)]
pub(super) struct Link {
    /// Deliveries and acks.
    pub(super) consuming: Connection,
    /// Everything that goes out: RabbitMQ stops reading this one when it is short of memory.
    pub(super) publishing: Arc<Connection>,
    /// Copies for retry and dead-letter queues; a publisher of their own, so that no flood of tasks holds them up.
    pub(super) copies: Publisher,
    /// What the service publishes.
    pub(super) outgoing: Publisher,
    noticed: Notify,
    reason: Mutex<Option<String>>,
}

impl Link {
    pub(super) async fn open(config: &BrokerConfig, plan: &[Declaration]) -> Result<Self, ConnectError> {
        let settings = |name: String| ConnectionSettings {
            address: config.address.clone(),
            name,
            timeout: config.connect_timeout,
        };
        let consuming = connect(&settings(config.connection_name.clone())).await?;
        let publishing = Arc::new(connect(&settings(format!("{} (publishing)", config.connection_name))).await?);
        let prepare = async {
            declare(&consuming, plan).await?;
            let settings = PublisherSettings::default();
            let copies = Publisher::new(Arc::clone(&publishing), &settings).await?;
            let outgoing = Publisher::new(Arc::clone(&publishing), &settings).await?;
            Ok::<_, ConnectError>((copies, outgoing))
        };
        let (timeout, address) = (config.connect_timeout, || config.address.to_string());
        // Whichever comes first; a connection without its topology is dropped.
        let (copies, outgoing) = tokio::select! {
            prepared = prepare => prepared?,
            () = lost(&consuming) => return Err(ConnectError::Lost { address: address() }),
            () = lost(&publishing) => return Err(ConnectError::Lost { address: address() }),
            () = tokio::time::sleep(timeout) => return Err(ConnectError::Stuck { address: address(), timeout }),
        };
        Ok(Self { consuming, publishing, copies, outgoing, noticed: Notify::new(), reason: Mutex::default() })
    }

    /// Declares the topology again: something of it was deleted.
    pub(super) async fn declare(&self, plan: &[Declaration]) -> Result<(), TopologyError> {
        declare(&self.consuming, plan).await
    }

    pub(super) fn is_up(&self) -> bool {
        self.consuming.status().connected() && self.publishing.status().connected()
    }

    /// Bytes that all headers of one message may have: they go in one frame, with the other properties.
    pub(super) fn max_header_bytes(&self) -> usize {
        /// Thirteen other properties of up to 255 bytes.
        const OTHERS: usize = 4 * 1024;
        usize::try_from(self.publishing.configuration().frame_max()).unwrap_or(usize::MAX).saturating_sub(OTHERS)
    }

    /// Somebody saw an error that may mean the end of the link.
    pub(super) fn notice(&self, reason: String) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.noticed.notify_one();
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
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner).take();
        reason.unwrap_or_else(|| "the connection to RabbitMQ was lost".to_owned())
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
