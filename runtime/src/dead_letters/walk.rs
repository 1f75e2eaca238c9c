//! One walk through a queue of dead letters, from its first message to the last one that was there when it began.

use bytes::Bytes;
use chrono::Utc;
use event_driven::{
    connection::lost,
    lapin::{
        self, BasicProperties, Channel,
        message::BasicGetMessage,
        options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions},
        types::FieldTable,
    },
    message::{field_table_to_json, renewed_properties, returns, revived_properties},
    names::DEFAULT_EXCHANGE,
    publisher::Publication,
};
use serde_json::{Value, json};

use super::{DeadLetters, DeadLettersError, Filter, Letter, queue_of_work};

/// RabbitMQ 4 drops a message that came back 20 times to a queue that has no limit of its own: one that has come near that is
/// put into its queue anew, which counts from 0.
const MOST_RETURNS: u64 = 15;

/// AMQP's reply code for a queue that is not there.
const NOT_FOUND: u16 = 404;

/// What is done with the letters that are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// They are looked at.
    Look,
    /// They are published into the queue that they came from, as if for the first time.
    Retry,
    /// They are thrown away.
    Discard,
}

/// What a walk has found and done.
#[derive(Debug, Default)]
pub struct Walked {
    /// The letters that were meant, and done with, the oldest first.
    pub letters: Vec<Letter>,
    /// The body and the headers of the last one, for who wants to see all of it.
    pub last: Option<Value>,
    /// Letters that were meant and could not be published, each with the reason; they stay.
    pub stayed: Vec<(Letter, String)>,
    /// Letters that nothing tells the origin of: they stay, whatever was asked for.
    pub foreign: usize,
}

impl DeadLetters {
    /// Walks through a queue, and does that with the first `limit` letters that `filter` takes. `progress` is told how many
    /// were looked at, of how many.
    ///
    /// # Errors
    /// If there is no such queue, or the connection is lost; see [`DeadLettersError`].
    pub async fn walk(
        &self,
        queue: &str,
        filter: &Filter,
        limit: usize,
        action: Action,
        progress: impl Fn(u64, u64),
    ) -> Result<Walked, DeadLettersError> {
        let work = queue_of_work(queue)?;
        let walk = Walk { dead_letters: self, queue, work: &work, action };
        // lapin may never answer over a connection that dies.
        tokio::select! {
            walked = walk.run(filter, limit, progress) => walked,
            () = lost(&self.connection) => Err(walk.failed("the connection to RabbitMQ was lost")),
        }
    }
}

struct Walk<'w> {
    dead_letters: &'w DeadLetters,
    queue: &'w str,
    work: &'w str,
    action: Action,
}

impl Walk<'_> {
    async fn run(
        &self,
        filter: &Filter,
        limit: usize,
        progress: impl Fn(u64, u64),
    ) -> Result<Walked, DeadLettersError> {
        let connection = &self.dead_letters.connection;
        let channel = connection.create_channel().await.map_err(|error| self.failed(error))?;
        let count = self.count(&channel).await?;
        let (mut walked, now) = (Walked::default(), Utc::now());
        for seen in 1..=count {
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
            if walked.letters.len() >= limit {
                break;
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
                walked.last = Some(whole(message));
                self.keep(message).await?;
            }
            Action::Retry => {
                if let Err(reason) = self.publish(self.work, revived_properties(&message.properties), message).await {
                    self.keep(message).await?;
                    walked.stayed.push((letter, reason));
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
        self.dead_letters.publisher.publish(publication).await.map_err(|error| error.to_string())
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

fn is_missing(error: &lapin::Error) -> bool {
    matches!(error.kind(), lapin::ErrorKind::ProtocolError(error) if error.get_id() == NOT_FOUND)
}

/// All that a message has to say.
fn whole(message: &BasicGetMessage) -> Value {
    let body = match serde_json::from_slice::<Value>(&message.data) {
        Ok(json) => json,
        Err(_) => Value::String(String::from_utf8_lossy(&message.data).into_owned()),
    };
    let headers = message.properties.headers().as_ref().map(field_table_to_json);
    json!({ "headers": headers, "body": body })
}
