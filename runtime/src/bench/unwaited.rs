//! Publishes as an open loop needs it: a message goes out when it is due, whatever became of those before. Whether the broker
//! has it is asked beside that, since one that it never had would otherwise be taken for one that a worker lost.

use event_driven::{
    lapin::{
        Channel, Confirmation, Connection, PublisherConfirm,
        options::{BasicPublishOptions, ConfirmSelectOptions},
    },
    message::ShortText,
    publisher::Publication,
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
};

use super::{BenchError, Workload};

const FAILED: &str = "the load can't be published";

/// A channel for messages that nobody waits for.
pub struct Unwaited {
    channel: Channel,
    confirms: mpsc::Sender<PublisherConfirm>,
}

/// What the broker says of the messages that were sent.
pub struct Confirms {
    /// The last one that is dropped closes the channel, and confirms may be on their way.
    _channel: Channel,
    pending: mpsc::Receiver<PublisherConfirm>,
}

impl Unwaited {
    /// A channel of its own, for as many messages as `count` at most.
    pub async fn open(connection: &Connection, count: u64) -> Result<(Self, Confirms), BenchError> {
        let failed = BenchError::broker(FAILED);
        let channel = connection.create_channel().await.map_err(&failed)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(&failed)?;
        // Room for all of them, so that sending never waits for confirms.
        let room = usize::try_from(count).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        let (confirms, pending) = mpsc::channel(room);
        Ok((Self { channel: channel.clone(), confirms }, Confirms { _channel: channel, pending }))
    }

    /// What publishes the task of a number, on a thread that may block. lapin takes it and writes it when it can: nothing is
    /// waited for here. False if it can't go on, which [`Confirms`] or the connection tell the reason of.
    pub fn sender(self, workload: Workload, reply_to: ShortText) -> impl FnMut(u64) -> bool + Send + 'static {
        let handle = Handle::current();
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        move |n| {
            let Publication { exchange, routing_key, properties, body, .. } =
                Publication::of_task(&workload.task(n, Some(&reply_to)));
            let (exchange, key) = (exchange.as_str().into(), routing_key.as_str().into());
            let publishing = self.channel.basic_publish(exchange, key, options, &body, properties);
            handle.block_on(publishing).is_ok_and(|confirm| self.confirms.try_send(confirm).is_ok())
        }
    }
}

impl Confirms {
    /// Waits for those of all messages until the sender is gone; how many there were.
    ///
    /// # Errors
    ///
    /// The broker refuses a message or has no queue for it, or the channel is gone.
    pub async fn all(&mut self) -> Result<u64, BenchError> {
        let mut count = 0;
        while let Some(confirm) = self.pending.recv().await {
            match confirm.await.map_err(BenchError::broker("a task was not confirmed"))? {
                Confirmation::Ack(None) | Confirmation::NotRequested => count += 1,
                Confirmation::Ack(Some(_)) | Confirmation::Nack(_) => return Err(BenchError::Refused),
            }
        }
        Ok(count)
    }
}
