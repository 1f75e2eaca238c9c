//! A message that was delivered, and what becomes of it.

use bytes::Bytes;
use event_driven::{
    client::{self, Original, Settlement},
    message::{earlier_returns, returns},
    names::{DEAD_EVENT_STORE_QUEUE, DEAD_TASKS_QUEUE, EVENT_STORE_QUEUE, Priority},
};
use lapin::BasicProperties;

use super::in_process;

/// So often a message is given back because there is no place for it, of the 20 times that a quorum queue allows.
const MOST_RETURNS: u64 = 5;

/// The queues that the service consumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// `tasks.priority.high`
    HighTasks,
    /// `tasks`
    Tasks,
    /// `tasks.priority.low`
    LowTasks,
    /// `event.store`
    EventStore,
}

impl Queue {
    /// The queue of the tasks of this class.
    pub const fn of_tasks(class: Priority) -> Self {
        match class {
            Priority::High => Self::HighTasks,
            Priority::Normal => Self::Tasks,
            Priority::Low => Self::LowTasks,
        }
    }

    /// The class of its tasks, if it has any.
    pub const fn class(self) -> Option<Priority> {
        match self {
            Self::HighTasks => Some(Priority::High),
            Self::Tasks => Some(Priority::Normal),
            Self::LowTasks => Some(Priority::Low),
            Self::EventStore => None,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self.class() {
            Some(class) => class.queue(),
            None => EVENT_STORE_QUEUE,
        }
    }

    /// The name of its dead-letter queue.
    pub const fn dead_name(self) -> &'static str {
        match self {
            Self::HighTasks | Self::Tasks | Self::LowTasks => DEAD_TASKS_QUEUE,
            Self::EventStore => DEAD_EVENT_STORE_QUEUE,
        }
    }
}

/// A message that was delivered and is not settled yet. Dropped without being settled, it is released.
#[derive(Debug)]
pub struct Delivery {
    /// Where it comes from.
    pub queue: Queue,
    /// The key with which it was published first, even if it has been tried before.
    pub routing_key: String,
    /// Its properties.
    pub properties: BasicProperties,
    /// Its body.
    pub body: Bytes,
    /// Whether it, or what it waits on in the place of, was delivered before and not settled, perhaps to a process that died of it.
    pub redelivered: bool,
    pub(super) receipt: Receipt,
}

impl Delivery {
    /// Whether it can no longer be settled, since the connection is gone: the broker delivers it again.
    pub fn is_void(&self) -> bool {
        match &self.receipt.ticket {
            Some(Ticket::RabbitMq(receipt)) => receipt.is_void(),
            Some(Ticket::InProcess(ticket)) => ticket.is_void(),
            None => true,
        }
    }

    /// Returns when it can no longer be settled: what waits with it need not wait any more. In memory that does not happen.
    pub async fn voided(&self) {
        match &self.receipt.ticket {
            Some(Ticket::RabbitMq(receipt)) => receipt.voided().await,
            Some(Ticket::InProcess(_)) => std::future::pending().await,
            None => {}
        }
    }

    /// How often the message came back to its queue, as far as the broker counts; or that in whose place it waits on, and not for want
    /// of a place, if that is more.
    pub fn returns(&self) -> u64 {
        returns(&self.properties).max(self.other_returns())
    }

    /// How often it came back, and that in whose place it waits on, not counting what may have been for want of a place.
    pub fn other_returns(&self) -> u64 {
        let here = returns(&self.properties).saturating_sub(MOST_RETURNS);
        earlier_returns(&self.properties).unwrap_or_default().saturating_add(here)
    }

    /// Whether it may be given back only because it would have to wait here. Not too often: a quorum queue takes what was
    /// given back 20 times for poison. In memory there is nobody else who could have it.
    pub fn may_go_back(&self) -> bool {
        matches!(self.receipt.ticket, Some(Ticket::RabbitMq(_))) && returns(&self.properties) < MOST_RETURNS
    }

    pub(super) fn settle(mut self, settlement: Settlement) {
        match self.receipt.ticket.take() {
            Some(Ticket::RabbitMq(receipt)) => {
                let Self { routing_key, properties, body, .. } = self;
                // Events have no retry queue: they are given back.
                let settlement = match (settlement, self.queue) {
                    (Settlement::Retry { .. }, Queue::EventStore) => Settlement::Release,
                    (settlement, _) => settlement,
                };
                receipt.settle(Original { routing_key, properties, body }, settlement);
            }
            Some(Ticket::InProcess(ticket)) => ticket.settle(&settlement),
            None => {}
        }
    }
}

/// The right to settle one delivery, once.
#[derive(Debug)]
pub(super) struct Receipt {
    ticket: Option<Ticket>,
}

#[derive(Debug)]
pub(super) enum Ticket {
    RabbitMq(client::Receipt),
    InProcess(in_process::Ticket),
}

impl Receipt {
    pub(super) fn new(ticket: Ticket) -> Self {
        Self { ticket: Some(ticket) }
    }
}

/// A delivery that is forgotten (a task that panicked) must not use up the prefetch for ever.
impl Drop for Receipt {
    fn drop(&mut self) {
        match self.ticket.take() {
            Some(Ticket::InProcess(ticket)) => ticket.settle(&Settlement::Release),
            // A receipt of the client releases by itself.
            Some(Ticket::RabbitMq(_)) | None => {}
        }
    }
}
