//! The receiving end of a queue in memory.

use std::{future::pending, iter, sync::Arc};

use super::{
    super::{
        Delivery, Queue,
        delivery::{self, Receipt},
    },
    Shared, Ticket,
};

/// Takes deliveries out of one queue.
#[derive(Debug)]
pub(in crate::broker) struct Inbox {
    shared: Arc<Shared>,
    queue: Queue,
}

impl Inbox {
    pub(super) fn new(shared: Arc<Shared>, queue: Queue) -> Self {
        Self { shared, queue }
    }

    pub(in crate::broker) async fn recv_many(&mut self, most: usize) -> Vec<Delivery> {
        loop {
            // Registered before the look, so that no change is missed in between.
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            if self.shared.stop.is_cancelled() {
                return Vec::new();
            }
            let taken: Vec<_> = iter::from_fn(|| self.take()).take(most.max(1)).collect();
            if !taken.is_empty() {
                return taken;
            }
            let retry = self.shared.queues().next_retry(self.queue);
            let retry = async {
                match retry {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => pending().await,
                }
            };
            // All of them only wait; what happened is looked up above.
            tokio::select! {
                () = changed => {}
                () = retry => {}
                () = self.shared.stop.cancelled() => {}
            }
        }
    }

    fn take(&self) -> Option<Delivery> {
        let (number, message) = self.shared.queues().deliver(self.queue)?;
        let ticket = Ticket::new(&self.shared, self.queue, number);
        Some(Delivery {
            queue: self.queue,
            routing_key: message.routing_key,
            properties: message.properties,
            body: message.body,
            redelivered: message.redelivered,
            receipt: Receipt::new(delivery::Ticket::InProcess(ticket)),
        })
    }
}
