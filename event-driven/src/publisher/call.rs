//! Publishes a task and waits for its outcome.
//!
//! Each call has a channel with a queue for its reply to itself, so that a reply can't be taken for that of another call:
//! the contract promises no more of a reply than the task's correlation id, which many tasks may share. After the call
//! both wait for the next one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use lapin::{
    Channel, Connection, Consumer,
    options::{BasicConsumeOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tokio::time::{Instant, timeout_at};

use super::{Publication, PublishError, connection::max_header_bytes, error, round};
use crate::{client::Client, connection::lost, message::Outcome};

/// Most booths that wait for the next call.
const MAX_IDLE: usize = 16;

/// The booths that nobody is in.
#[derive(Debug, Default)]
pub(super) struct Calls {
    idle: Mutex<Vec<Booth>>,
}

/// A channel of its own, and a queue that only this connection can read and that goes with it.
#[derive(Debug)]
struct Booth {
    connection: Arc<Connection>,
    channel: Channel,
    queue: ShortString,
    replies: Consumer,
}

impl Calls {
    pub(super) async fn call(
        &self,
        client: &Client,
        publication: Publication,
        timeout: Duration,
    ) -> Result<Outcome, PublishError> {
        let deadline = Instant::now() + timeout;
        let connection = client.publishing_by(deadline).await?;
        error::check(&publication, max_header_bytes(&connection))?;
        let call = async {
            let mut booth = match self.take(&connection) {
                Some(booth) => booth,
                None => Booth::open(Arc::clone(&connection)).await.map_err(error::disconnected)?,
            };
            let outcome = booth.call(publication).await?;
            self.give_back(booth);
            Ok(outcome)
        };
        // A booth that is given up may still get a reply, and so is never used again.
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
        let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), own, FieldTable::default()).await?.name().clone();
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let replies = channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?;
        Ok(Self { connection, channel, queue, replies })
    }

    async fn call(&mut self, mut publication: Publication) -> Result<Outcome, PublishError> {
        publication.properties = publication.properties.with_reply_to(self.queue.clone());
        let published = round::publish(&self.channel, &[Arc::new(publication)]).await;
        published.into_iter().collect::<Result<(), PublishError>>()?;
        match self.replies.next().await {
            Some(Ok(reply)) => Ok(Outcome::decode(&reply.properties, &reply.data)),
            Some(Err(error)) => Err(error::disconnected(error)),
            None => Err(PublishError::gone()),
        }
    }
}
