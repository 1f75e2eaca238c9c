//! What a measurement does inside a virtual host: its mark, its lock, and the removal of its queues.

use event_driven::{
    lapin::{
        Channel, Connection, Error, ExchangeKind,
        options::{ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions},
        types::FieldTable,
    },
    topology::Declaration,
};

use crate::{bench::BenchError, broker::is_missing};

/// The exchange that marks the queues of a measurement, and the queue that locks them.
const MARK: &str = "warren.bench";

/// Whether what is there was made by a measurement.
pub(super) async fn is_marked(connection: &Connection) -> Result<bool, BenchError> {
    let failed = BenchError::broker("the virtual host can't be looked at");
    let channel = connection.create_channel().await.map_err(&failed)?;
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    match declare_mark(&channel, passive).await {
        Ok(()) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// An exchange of the plan that is there.
pub(super) async fn exchange_of(connection: &Connection, plan: &[Declaration]) -> Result<Option<String>, BenchError> {
    let failed = BenchError::broker("the virtual host can't be looked at");
    for declaration in plan {
        let Declaration::Exchange(exchange) = declaration else { continue };
        // A look at what is not there closes its channel.
        let channel = connection.create_channel().await.map_err(&failed)?;
        let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let name = exchange.name.as_str();
        match channel.exchange_declare(name.into(), ExchangeKind::Topic, passive, FieldTable::default()).await {
            Ok(()) => return Ok(Some(name.to_owned())),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(None)
}

/// What is made from now on is a measurement's.
pub(super) async fn mark(connection: &Connection) -> Result<(), BenchError> {
    let failed = BenchError::broker("the virtual host can't be marked");
    let channel = connection.create_channel().await.map_err(&failed)?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    declare_mark(&channel, durable).await.map_err(&failed)
}

async fn declare_mark(channel: &Channel, options: ExchangeDeclareOptions) -> Result<(), Error> {
    channel.exchange_declare(MARK.into(), ExchangeKind::Fanout, options, FieldTable::default()).await
}

/// Nothing of a measurement's is there any more.
pub(super) async fn unmark(connection: &Connection) -> Result<(), BenchError> {
    let failed = BenchError::broker("the mark of the virtual host can't be deleted");
    let channel = connection.create_channel().await.map_err(&failed)?;
    channel.exchange_delete(MARK.into(), ExchangeDeleteOptions::default()).await.map_err(&failed)
}

/// RabbitMQ gives an exclusive queue to one connection, and refuses all others.
pub(super) async fn lock(connection: &Connection) -> Result<(), BenchError> {
    let failed = BenchError::broker("the virtual host can't be locked");
    let channel = connection.create_channel().await.map_err(&failed)?;
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(MARK.into(), exclusive, FieldTable::default()).await.map_err(&failed)?;
    Ok(())
}

/// What is not there is deleted already.
pub(super) async fn delete(connection: &Connection, plan: &[Declaration]) -> Result<(), BenchError> {
    let failed = BenchError::broker("the queues can't be deleted");
    let channel = connection.create_channel().await.map_err(&failed)?;
    for declaration in plan {
        let deleted = match declaration {
            Declaration::Queue(queue) => {
                let options = QueueDeleteOptions::default();
                channel.queue_delete(queue.name.as_str().into(), options).await.map(drop)
            }
            Declaration::Exchange(exchange) => {
                channel.exchange_delete(exchange.name.as_str().into(), ExchangeDeleteOptions::default()).await
            }
            Declaration::Binding { .. } => Ok(()),
        };
        deleted.map_err(&failed)?;
    }
    Ok(())
}
