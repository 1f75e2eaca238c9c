//! How many messages wait in queues, for people who look on: over a connection of its own, without declaring or consuming.

use event_driven::connection::{self, ConnectError, ConnectionSettings, lost};
use lapin::{Channel, Connection, options::QueueDeclareOptions, types::FieldTable};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// AMQP's reply code for a queue that is not there.
const NOT_FOUND: u16 = 404;

/// A connection that asks for depths.
#[derive(Debug)]
pub struct Depths {
    connection: Connection,
}

/// What waits in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Depth {
    /// The queue's name.
    pub queue: String,
    /// Messages that wait, without those that were delivered and not settled. None: there is no such queue.
    pub messages: Option<u32>,
    /// Consumers of it, each channel for itself.
    pub consumers: u32,
}

/// Why depths are not known. Connect anew.
#[derive(Debug, thiserror::Error)]
pub enum DepthsError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// RabbitMQ refused the question.
    #[error("RabbitMQ can't be asked for {queue}: {reason}")]
    Broker {
        /// The queue.
        queue: String,
        /// What was said.
        reason: String,
    },
    /// The connection is gone.
    #[error("the connection to RabbitMQ was lost")]
    Lost,
}

impl Depths {
    /// Connects.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn connect(settings: &ConnectionSettings) -> Result<Self, DepthsError> {
        Ok(Self { connection: connection::connect(settings).await? })
    }

    /// What waits in each of these queues.
    ///
    /// # Errors
    /// See [`DepthsError`].
    pub async fn read(&self, queues: &[String]) -> Result<Vec<Depth>, DepthsError> {
        let read = async {
            let (mut channel, mut depths) = (None, Vec::new());
            for queue in queues {
                depths.push(self.depth(&mut channel, queue).await?);
            }
            Ok(depths)
        };
        // lapin may never answer over a connection that dies.
        tokio::select! {
            depths = read => depths,
            () = lost(&self.connection) => Err(DepthsError::Lost),
        }
    }

    /// The channel is closed by RabbitMQ when a queue is not there: the next question opens another one.
    async fn depth(&self, channel: &mut Option<Channel>, queue: &str) -> Result<Depth, DepthsError> {
        let failed = |error: lapin::Error| DepthsError::Broker { queue: queue.to_owned(), reason: error.to_string() };
        let open = match channel.take() {
            Some(open) => open,
            None => self.connection.create_channel().await.map_err(failed)?,
        };
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let (messages, consumers) = match open.queue_declare(queue.into(), passive, FieldTable::default()).await {
            Ok(found) => {
                *channel = Some(open);
                (Some(found.message_count()), found.consumer_count())
            }
            Err(error) if is_missing(&error) => (None, 0),
            Err(error) => return Err(failed(error)),
        };
        Ok(Depth { queue: queue.to_owned(), messages, consumers })
    }
}

/// Whether RabbitMQ says that what it was asked for, a queue or an exchange, is not there.
pub(crate) fn is_missing(error: &lapin::Error) -> bool {
    matches!(error.kind(), lapin::ErrorKind::ProtocolError(error) if error.get_id() == NOT_FOUND)
}
