//! The right to settle one delivery of one channel.

use tokio::sync::mpsc;

use super::{Original, Settlement, subscriptions::ConsumerId};

/// Which delivery of a channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag {
    /// The delivery tag, as RabbitMQ counts them.
    pub(super) number: u64,
    /// The consumer that it came by.
    pub(super) from: ConsumerId,
}

/// Leads to the session whose channel delivered. When that is over, nobody listens: the ticket is void.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) tag: Tag,
    pub(super) settled: mpsc::Sender<Settled>,
}

/// What a session is told of a delivery.
#[derive(Debug)]
pub(super) enum Settled {
    Ack { tag: Tag },
    Release { tag: Tag },
    Copy { tag: Tag, original: Box<Original>, settlement: Settlement },
}

impl Ticket {
    pub(super) fn is_void(&self) -> bool {
        self.settled.is_closed()
    }

    pub(super) async fn voided(&self) {
        self.settled.closed().await;
    }

    pub(super) fn settle(self, original: Original, settlement: Settlement) {
        let tag = self.tag;
        self.tell(match settlement {
            Settlement::Ack => Settled::Ack { tag },
            Settlement::Release => Settled::Release { tag },
            Settlement::Retry { .. } | Settlement::DeadLetter { .. } => {
                Settled::Copy { tag, original: Box::new(original), settlement }
            }
        });
    }

    pub(super) fn release(self) {
        let tag = self.tag;
        self.tell(Settled::Release { tag });
    }

    pub(super) fn acknowledge(self) {
        let tag = self.tag;
        self.tell(Settled::Ack { tag });
    }

    fn tell(self, settled: Settled) {
        // The session's queue has room for its whole prefetch, and each delivery is settled once.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.settled.try_send(settled) {
            tracing::error!(
                tag = self.tag.number,
                "no room to settle a delivery: it stays unsettled until the channel closes"
            );
        }
    }
}
