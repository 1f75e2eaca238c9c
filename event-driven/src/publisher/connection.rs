//! Publishes over one connection, with confirms, many messages at a time.
//!
//! Like a group commit: each lane (a channel of its own) sends all that is waiting, then waits for RabbitMQ's answers to
//! all of them. No timer is involved, so one message alone goes out at once and a thousand share a round trip. And when
//! all answers of a round are there, a message that RabbitMQ returned as unroutable can be told from its neighbours for
//! certain: RabbitMQ's returns carry no number, only the message itself. What a round still waits for after a moment is
//! waited for aside.

use std::sync::Arc;

use lapin::Connection;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

use super::{Publication, PublishError, PublisherSettings, error, lane};

/// Publishes over one connection, and lives as long as that: for a program that makes its connections itself with lapin.
/// [`Publisher`](super::Publisher) goes on over the next connection.
///
/// Cheap to clone; the lanes end when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct ConnectionPublisher {
    requests: mpsc::Sender<Request>,
    max_frame: usize,
}

/// A publication, and who waits for its answer.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) publication: Arc<Publication>,
    pub(super) answer: oneshot::Sender<Result<(), PublishError>>,
}

/// Bytes that a frame of this connection may have.
pub(super) fn max_frame(connection: &Connection) -> usize {
    usize::try_from(connection.configuration().frame_max()).unwrap_or(usize::MAX)
}

impl ConnectionPublisher {
    /// Opens the lanes' channels on `connection` and starts the lanes on the current tokio runtime.
    ///
    /// # Errors
    /// If the connection is gone or has no channels left.
    pub async fn new(connection: Arc<Connection>, settings: &PublisherSettings) -> Result<Self, PublishError> {
        let lanes = settings.lanes.max(1);
        // Publishers wait in `publish` when this is full: what RabbitMQ does not take is not piled up here.
        let (requests, waiting) = mpsc::channel(settings.round.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        let late = Arc::new(Semaphore::new(lane::LATE_ROUNDS));
        for _ in 0..lanes {
            let lane = lane::Lane::open(Arc::clone(&connection), settings.clone(), Arc::clone(&late)).await?;
            tokio::spawn(lane.run(Arc::clone(&waiting)));
        }
        Ok(Self { requests, max_frame: max_frame(&connection) })
    }

    /// Bytes that all headers of a message may have, whatever its other properties are.
    pub(crate) fn max_header_bytes(&self) -> usize {
        /// Thirteen other properties of up to 255 bytes.
        const OTHERS: usize = 4 * 1024;
        self.max_frame.saturating_sub(OTHERS)
    }

    /// Publishes, and returns when RabbitMQ has confirmed the message. Many calls at once share their round trips. When
    /// the caller gives up waiting the message may be published all the same.
    ///
    /// # Errors
    /// See [`PublishError`]; [`PublishError::may_pass`] says whether to try again.
    pub async fn publish(&self, publication: Publication) -> Result<(), PublishError> {
        self.publish_shared(Arc::new(publication)).await
    }

    /// The same for a message that the caller keeps, to publish it again.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_shared(&self, publication: Arc<Publication>) -> Result<(), PublishError> {
        error::check(&publication, self.max_frame)?;
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request { publication, answer }).await.map_err(|_| PublishError::gone())?;
        answered.await.map_err(|_| PublishError::gone())?
    }
}
