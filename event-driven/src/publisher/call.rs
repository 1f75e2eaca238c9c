//! Publishes a task and waits for its outcome.
//!
//! Each call has a queue for its reply to itself, so that a reply can't be taken for that of another call: the contract
//! promises no more of a reply than the task's correlation id, which many tasks may share, and a task that is executed
//! twice is answered twice. Its channel is used again by the next call.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use lapin::{
    Channel, Connection, Consumer,
    options::{BasicCancelOptions, BasicConsumeOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tokio::{sync::Semaphore, time::timeout_at};

use super::{Publication, PublishError, connection::max_frame, error, round};
use crate::{
    client::{Client, deadline_after},
    connection::lost,
    message::Outcome,
};

/// Most calls at once; further ones wait. Each has a channel, of which RabbitMQ allows a connection 2047 by default.
const MAX_CALLS: usize = 256;

/// Most channels that wait for the next call.
const MAX_IDLE: usize = 16;

/// What calls share.
#[derive(Debug)]
pub(super) struct Calls {
    room: Semaphore,
    idle: Mutex<Vec<Booth>>,
}

impl Default for Calls {
    fn default() -> Self {
        Self { room: Semaphore::new(MAX_CALLS), idle: Mutex::default() }
    }
}

/// A channel for one call at a time.
#[derive(Debug)]
struct Booth {
    connection: Arc<Connection>,
    channel: Channel,
}

impl Calls {
    pub(super) async fn call(
        &self,
        client: &Client,
        publication: Publication,
        timeout: Duration,
    ) -> Result<Outcome, PublishError> {
        let deadline = deadline_after(timeout);
        let Ok(_room) = timeout_at(deadline, self.room.acquire()).await else {
            return Err(PublishError::TimedOut(timeout));
        };
        let connection = client.publishing_by(deadline).await?;
        error::check(&publication, max_frame(&connection))?;
        let call = async {
            let booth = match self.take(&connection) {
                Some(booth) => booth,
                None => Booth::open(Arc::clone(&connection)).await.map_err(error::disconnected)?,
            };
            let outcome = booth.call(publication).await?;
            self.give_back(booth);
            Ok(outcome)
        };
        // A booth that is given up takes its queue with it.
        tokio::select! {
            outcome = timeout_at(deadline, call) => outcome.unwrap_or(Err(PublishError::NoReply { after: timeout })),
            () = lost(&connection) => Err(PublishError::gone()),
        }
    }

    fn take(&self, connection: &Arc<Connection>) -> Option<Booth> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|booth| Arc::ptr_eq(&booth.connection, connection) && booth.channel.status().connected());
        idle.pop()
    }

    fn give_back(&self, booth: Booth) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(booth);
        }
    }
}

impl Booth {
    async fn open(connection: Arc<Connection>) -> Result<Self, lapin::Error> {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { connection, channel })
    }

    async fn call(&self, mut publication: Publication) -> Result<Outcome, PublishError> {
        let (queue, mut replies) = self.reply_queue().await.map_err(error::disconnected)?;
        publication.properties = publication.properties.with_reply_to(queue);
        round::publish_alone(&self.channel, &publication).await?;
        let reply = match replies.next().await {
            Some(Ok(reply)) => Outcome::decode(&reply.properties, &reply.data),
            Some(Err(error)) => return Err(error::disconnected(error)),
            None => return Err(PublishError::gone()),
        };
        // Without its consumer the queue goes, and what may still come to it.
        let cancelled = self.channel.basic_cancel(replies.tag(), BasicCancelOptions { nowait: true }).await;
        cancelled.map_err(error::disconnected).map(|()| reply)
    }

    /// A queue that only this connection can read, and that goes with its consumer.
    async fn reply_queue(&self) -> Result<(ShortString, Consumer), lapin::Error> {
        let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare("".into(), own, FieldTable::default()).await?.name().clone();
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let replies = self.channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?;
        Ok((queue, replies))
    }
}
