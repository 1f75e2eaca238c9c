//! Dead letters: what could not be handled, read, tried again, or thrown away by a person.
//!
//! At the end of a message's way, beside the service: this works on RabbitMQ alone, over a connection of its own. A message
//! is taken out of its queue without being acked, looked at, and goes back when the walk is over; what is tried again is acked
//! once RabbitMQ has confirmed its copy. So a walk that is cut off at any point loses nothing. In `warren dev` the same is done
//! in the memory of the process.

mod changed;
mod filter;
mod in_memory;
mod letter;
mod on_rabbitmq;
mod walk;

use std::sync::Arc;

use event_driven::{
    connection::{self, ConnectionSettings},
    lapin::Connection,
    names::{DEAD_EVENT_STORE_QUEUE, DEAD_TASKS_QUEUE, Priority, QueueName},
    publisher::{ConnectionPublisher, PublishError, PublisherSettings},
};

pub use self::{
    changed::{Changed, Stayed},
    filter::Filter,
    letter::{Content, InvalidId, Letter, check_id},
    walk::{Action, Bounds, Walked},
};
use crate::broker::InProcess;

/// The queues that are looked through where none is named: warren's own.
pub const OWN_QUEUES: [&str; 2] = [DEAD_TASKS_QUEUE, DEAD_EVENT_STORE_QUEUE];

/// Where dead letters are, and the way to them.
#[derive(Debug)]
pub struct DeadLetters(Place);

#[derive(Debug)]
enum Place {
    RabbitMq(Server),
    InProcess(InProcess),
}

/// A connection to one RabbitMQ.
#[derive(Debug)]
struct Server {
    connection: Arc<Connection>,
    publisher: ConnectionPublisher,
}

/// Why dead letters can't be had.
#[derive(Debug, thiserror::Error)]
pub enum DeadLettersError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] connection::ConnectError),
    /// The connection takes no messages.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The queue is none of the contract's for dead letters.
    #[error(
        "{0} is no queue of dead letters: those are dead.tasks, dead.event.store, dead.task.A.E and dead.event.T.E.to.S"
    )]
    NoDeadLetters(String),
    /// There is no such queue.
    #[error("there is no queue {0}")]
    NoQueue(String),
    /// RabbitMQ refused something, or the connection was lost.
    #[error("queue {queue}: {reason}; what was not done is back in the queue")]
    Broker {
        /// The queue.
        queue: String,
        /// What was said.
        reason: String,
    },
}

impl DeadLetters {
    /// Connects to RabbitMQ. The connection ends with this.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn open(settings: &ConnectionSettings) -> Result<Self, DeadLettersError> {
        let connection = Arc::new(connection::connect(settings).await?);
        let publisher = ConnectionPublisher::new(Arc::clone(&connection), &PublisherSettings::default()).await?;
        Ok(Self(Place::RabbitMq(Server { connection, publisher })))
    }

    /// Those that a broker in memory keeps: `dead.tasks` and `dead.event.store`, the newest of each.
    pub fn in_memory(broker: InProcess) -> Self {
        Self(Place::InProcess(broker))
    }
}

/// The queue of work whose dead letters are in the queue of this name.
fn queue_of_work(queue: &str) -> Result<String, DeadLettersError> {
    let work = match queue.parse() {
        Ok(QueueName::DeadTasks) => QueueName::Tasks(Priority::Normal),
        Ok(QueueName::DeadEventStore) => QueueName::EventStore,
        Ok(QueueName::DeadRoute(route)) => QueueName::Route(route),
        Ok(QueueName::DeadSubscription(subscription)) => QueueName::Subscription(subscription),
        Ok(_) | Err(_) => return Err(DeadLettersError::NoDeadLetters(queue.to_owned())),
    };
    Ok(work.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_of_dead_letters_belongs_to_a_queue_of_work() {
        for work in ["tasks", "event.store", "task.resize.image", "event.create.user.to.billing"] {
            assert_eq!(queue_of_work(&format!("dead.{work}")).unwrap(), work);
            assert!(queue_of_work(work).is_err(), "{work}");
        }
        assert!(queue_of_work("dead.of.somebody").is_err());
    }
}
