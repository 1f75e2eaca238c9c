//! A channel that declares, and is opened again after each refusal.
//!
//! RabbitMQ closes the channel on which it refused something, so every answer that is not yes costs a channel.

use lapin::{
    Channel, Connection, ErrorKind,
    options::QueueBindOptions,
    types::{FieldTable, ShortString},
};

use super::{Current, Mismatch, shape::Shape};

/// Reply codes of AMQP 0-9-1.
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const RESOURCE_LOCKED: u16 = 405;

/// Declares on one connection.
pub(super) struct Declarer<'c> {
    connection: &'c Connection,
    channel: Channel,
}

/// Why something was not declared or not found.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no such thing, in RabbitMQ's words.
    Missing(String),
    /// It exists, and differs in this at least.
    Differs(Mismatch),
    /// Something else, in RabbitMQ's words.
    Other(String),
    /// There was no answer.
    Connection(lapin::Error),
}

impl<'c> Declarer<'c> {
    pub(super) async fn open(connection: &'c Connection) -> Result<Self, lapin::Error> {
        Ok(Self { connection, channel: connection.create_channel().await? })
    }

    pub(super) async fn close(self) -> Result<(), lapin::Error> {
        self.channel.close(200, "declared".into()).await
    }

    /// Creates it if it does not exist, else compares.
    pub(super) async fn declare(&mut self, shape: &Shape) -> Result<(), Refusal> {
        let declared = shape.declare(&self.channel, short(&shape.name)?).await;
        self.answer(declared).await
    }

    /// See [`Shape::find`].
    pub(super) async fn find(&mut self, shape: &Shape) -> Result<(), Refusal> {
        let found = shape.find(&self.channel, short(&shape.name)?).await;
        self.answer(found).await
    }

    pub(super) async fn bind(&mut self, queue: &str, exchange: &str, key: &str) -> Result<(), Refusal> {
        let (queue, exchange, key) = (short(queue)?, short(exchange)?, short(key)?);
        let options = QueueBindOptions::default();
        let bound = self.channel.queue_bind(queue, exchange, key, options, FieldTable::default()).await;
        self.answer(bound).await
    }

    async fn answer(&mut self, answer: Result<(), lapin::Error>) -> Result<(), Refusal> {
        let Err(error) = answer else { return Ok(()) };
        let refusal = Refusal::of(error);
        if !matches!(refusal, Refusal::Connection(_)) {
            self.channel = self.connection.create_channel().await.map_err(Refusal::Connection)?;
        }
        Err(refusal)
    }
}

impl Refusal {
    pub(super) fn of(error: lapin::Error) -> Self {
        let ErrorKind::ProtocolError(refusal) = error.kind() else { return Self::Connection(error) };
        if !error.is_amqp_soft_error() {
            return Self::Connection(error);
        }
        let text = refusal.get_message().to_string();
        match refusal.get_id() {
            // What is there but can't be reached at the moment has the same code and another text.
            NOT_FOUND if text.contains("no exchange '") || text.contains("no queue '") => Self::Missing(text),
            RESOURCE_LOCKED => Self::Differs(exclusive()),
            ACCESS_REFUSED => Self::Other(format!(
                "{text}; the user has to be allowed to configure, write and read it: rabbitmqctl set_permissions"
            )),
            _ => Mismatch::parse(&text).map_or(Self::Other(text), Self::Differs),
        }
    }
}

/// RabbitMQ refuses even to look at the exclusive queue of another connection.
fn exclusive() -> Mismatch {
    let value = |text: &str| Current::Value { text: text.to_owned(), amqp_type: None };
    Mismatch { argument: "exclusive".to_owned(), wanted: value("false"), current: value("true") }
}

fn short(name: &str) -> Result<ShortString, Refusal> {
    let too_long = || Refusal::Other(format!("the name {name:?} has {} bytes, AMQP allows 255", name.len()));
    ShortString::try_new(name).map_err(|_| too_long())
}
