//! A walk on RabbitMQ, from a queue's first message to the last one that was there when it began.

use bytes::Bytes;
use chrono::Utc;
use event_driven::{
    connection::lost,
    lapin::{
        BasicProperties, Channel,
        message::BasicGetMessage,
        options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions},
        types::FieldTable,
    },
    message::{renewed_properties, returns, revived_properties},
    names::DEFAULT_EXCHANGE,
    publisher::Publication,
};

use super::{Action, Bounds, Content, DeadLettersError, Filter, Letter, Server, Walked, queue_of_work};
use crate::broker::is_missing;

/// RabbitMQ 4 drops a message that came back 20 times to a queue that has no limit of its own: one that has come near that is
/// put into its queue anew, which counts from 0.
const MOST_RETURNS: u64 = 15;

impl Server {
    /// As [`DeadLetters::walk`](super::DeadLetters::walk), through one queue.
    pub(super) async fn walk(
        &self,
        queue: &str,
        filter: &Filter,
        bounds: Bounds,
        action: Action,
        progress: impl Fn(u64, u64),
    ) -> Result<Walked, DeadLettersError> {
        let work = queue_of_work(queue)?;
        let walk = Walk { server: self, queue, work: &work, action };
        // lapin may never answer over a connection that dies.
        tokio::select! {
            walked = walk.run(filter, bounds, progress) => walked,
            () = lost(&self.connection) => Err(walk.failed("the connection to RabbitMQ was lost")),
        }
    }
}

struct Walk<'w> {
    server: &'w Server,
    queue: &'w str,
    work: &'w str,
    action: Action,
}

impl Walk<'_> {
    async fn run(
        &self,
        filter: &Filter,
        bounds: Bounds,
        progress: impl Fn(u64, u64),
    ) -> Result<Walked, DeadLettersError> {
        let channel = self.server.connection.create_channel().await.map_err(|error| self.failed(error))?;
        let count = self.count(&channel).await?;
        let (mut walked, now) = (Walked::default(), Utc::now());
        for seen in 1..=count {
            if bounds.are_reached(&walked) {
                walked.not_looked_at = count - seen + 1;
                break;
            }
            let got = channel.basic_get(self.queue.into(), BasicGetOptions::default()).await;
            // Somebody else may take from it, too.
            let Some(message) = got.map_err(|error| self.failed(error))? else { break };
            progress(seen, count);
            let letter = Letter::read(self.queue, &message.properties, &message.data);
            let is_meant = filter.takes(&letter, now);
            if letter.is_foreign() && self.action != Action::Look {
                walked.foreign += usize::from(is_meant);
                self.keep(&message).await?;
                continue;
            }
            match is_meant {
                true => self.act(&message, letter, &mut walked).await?,
                false => self.keep(&message).await?,
            }
        }
        // What was not acked is back in its place from here on.
        channel.close(200, "".into()).await.map_err(|error| self.failed(error))?;
        Ok(walked)
    }

    async fn act(
        &self,
        message: &BasicGetMessage,
        letter: Letter,
        walked: &mut Walked,
    ) -> Result<(), DeadLettersError> {
        match self.action {
            Action::Look => {
                walked.last = Some(Content { properties: message.properties.clone(), body: message.data.clone() });
                self.keep(message).await?;
            }
            Action::Retry => {
                if let Err(reason) = self.publish(self.work, revived_properties(&message.properties), message).await {
                    self.keep(message).await?;
                    walked.stays(letter, reason);
                    return Ok(());
                }
                self.ack(message).await?;
            }
            Action::Discard => self.ack(message).await?,
        }
        walked.letters.push(letter);
        Ok(())
    }

    /// It goes back when the walk is over; a copy of it, if it has gone back too often and a copy can be made.
    async fn keep(&self, message: &BasicGetMessage) -> Result<(), DeadLettersError> {
        if returns(&message.properties) < MOST_RETURNS {
            return Ok(());
        }
        match self.publish(self.queue, renewed_properties(&message.properties), message).await {
            Ok(()) => self.ack(message).await,
            Err(reason) => {
                tracing::warn!(
                    "a dead letter in {} came back often, and can't be put there anew: {reason}",
                    self.queue
                );
                Ok(())
            }
        }
    }

    async fn publish(&self, queue: &str, properties: BasicProperties, message: &BasicGetMessage) -> Result<(), String> {
        let body = Bytes::copy_from_slice(&message.data);
        let publication = Publication::new(DEFAULT_EXCHANGE, queue, properties, body);
        self.server.publisher.publish(publication).await.map_err(|error| error.to_string())
    }

    async fn ack(&self, message: &BasicGetMessage) -> Result<(), DeadLettersError> {
        message.ack(BasicAckOptions::default()).await.map(drop).map_err(|error| self.failed(error))
    }

    /// Messages in the queue.
    async fn count(&self, channel: &Channel) -> Result<u64, DeadLettersError> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match channel.queue_declare(self.queue.into(), passive, FieldTable::default()).await {
            Ok(queue) => Ok(queue.message_count().into()),
            Err(error) if is_missing(&error) => Err(DeadLettersError::NoQueue(self.queue.to_owned())),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, reason: impl ToString) -> DeadLettersError {
        DeadLettersError::Broker { queue: self.queue.to_owned(), reason: reason.to_string() }
    }
}
