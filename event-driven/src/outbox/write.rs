//! Writes an event into the outbox, in the caller's transaction.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

use chrono::Utc;
use sea_orm::{ConnectionTrait, Statement, Value};
use serde::Serialize;

use super::{OutboxError, dialect::Dialect, listener::CHANNEL};
use crate::{
    entity::Event,
    message::{EventMessage, ShortText},
    names::{EventKey, RoutingKey},
    publisher::{EventDraft, PublishError, Publisher},
};

const INSERT: &str = "INSERT INTO event_outbox \
    (message_id, routing_key, producer_app, correlation_id, headers, payload, entity_key, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

/// Where events go that are to be published if, and only if, a transaction is committed.
#[derive(Debug)]
pub struct InTransaction<'a, C> {
    publisher: &'a Publisher,
    connection: &'a C,
}

impl<C> Clone for InTransaction<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for InTransaction<'_, C> {}

impl Publisher {
    /// Events of this transaction: written into its database, published by a [`Relay`](super::Relay) after its commit.
    ///
    /// Without a transaction (`connection` is a pool) each event is committed by itself.
    pub fn in_transaction<'a, C: ConnectionTrait>(&'a self, connection: &'a C) -> InTransaction<'a, C> {
        InTransaction { publisher: self, connection }
    }
}

impl<'a, C: ConnectionTrait> InTransaction<'a, C> {
    /// An event, to be written by awaiting it. Events of one entity are published in order.
    pub fn event<E: Event>(self, event: &E) -> EventDraft<Self> {
        self.event_of(&E::key(), event).of_entity(event.entity_key())
    }

    /// Any value as an event of this kind, to be written by awaiting it. It has to be an object in JSON. In no order, unless
    /// it is given an [`entity_key`](EventDraft::entity_key).
    pub fn event_of<T: Serialize + ?Sized>(self, key: &EventKey, payload: &T) -> EventDraft<Self> {
        EventDraft::new(self, self.publisher.producer().clone(), key, payload)
    }
}

impl<C> EventDraft<InTransaction<'_, C>> {
    /// Which of the entities the event is about, as a text: `17`. Events of one entity, whatever their type, are published
    /// in order. With the entity's name and a slash before it, it has 1 to 255 bytes.
    pub fn entity_key(self, key: impl Into<String>) -> Self {
        self.of_entity(Some(key.into()))
    }
}

impl<'a, C: ConnectionTrait> IntoFuture for EventDraft<InTransaction<'a, C>> {
    type Output = Result<(), OutboxError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let InTransaction { publisher, connection } = self.to;
        let entity_key = self.entity_key.clone();
        Box::pin(async move {
            let message = self.into_message()?;
            let dialect = Dialect::of(connection.get_database_backend())?;
            connection.execute_raw(insert(dialect, &message, entity_key)?).await?;
            if dialect == Dialect::Sqlite {
                publisher.written().notify_one();
            }
            Ok(())
        })
    }
}

/// Writes the row, and on Postgres wakes the relays when it is committed.
fn insert(dialect: Dialect, message: &EventMessage, entity_key: Option<String>) -> Result<Statement, OutboxError> {
    // What can't be a message is told to the caller now, rather than to nobody later.
    message.encode().map_err(PublishError::from)?;
    let sql = match dialect {
        Dialect::Postgres => {
            format!("WITH written AS ({INSERT} RETURNING id) SELECT pg_notify('{CHANNEL}', '') FROM written")
        }
        Dialect::Sqlite => INSERT.to_owned(),
    };
    let entity_key = entity_key.map(|key| qualified(&message.routing_key, &key)).transpose()?;
    let values: [Value; 8] = [
        message.message_id.as_ref().map(|id| id.as_str().to_owned()).into(),
        message.routing_key.as_str().into(),
        message.producer_app.as_str().into(),
        message.correlation_id.as_str().into(),
        serde_json::Value::Object(message.headers.clone()).to_string().into(),
        message.payload.as_str().into(),
        entity_key.map(|key| key.as_str().to_owned()).into(),
        Utc::now().into(),
    ];
    Ok(dialect.statement(&sql, values))
}

/// The key of one entity among all: `user/17`.
fn qualified(routing_key: &str, key: &str) -> Result<ShortText, PublishError> {
    let entity = match routing_key.parse() {
        Ok(RoutingKey::Event(event)) => event.entity.to_string(),
        // A draft makes no other; a key that is not an event's stands for itself.
        _ => routing_key.to_owned(),
    };
    let what = "the entity's name with its key";
    ShortText::new(format!("{entity}/{key}")).map_err(|reason| PublishError::Text { what, reason })
}
