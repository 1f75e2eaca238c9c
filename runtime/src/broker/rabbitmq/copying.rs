//! Publishes the copy of a delivery to its retry queue or dead-letter queue, as often as it takes.

use std::sync::Arc;

use event_driven::{
    names::{Attempt, DEAD_EVENT_EXCHANGE, DEAD_TASK_EXCHANGE, DEFAULT_EXCHANGE, tasks_retry_queue},
    publisher::{Publication, PublishError},
    topology::Declaration,
};

use super::{
    super::{
        Delivery, FIRST_PAUSE, Queue, Settlement,
        copy::{dead_properties, retry_properties},
    },
    Link,
};
use crate::backoff::Backoff;

/// What copying needs; the same for all copies of a session.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) link: Arc<Link>,
    pub(super) plan: Vec<Declaration>,
    /// Retry queues of `tasks`.
    pub(super) retries: u32,
}

/// Publishes the copy until RabbitMQ has confirmed it, and gives the tag of the original, which may then be acked. Goes
/// on for as long as the session lives: without the copy the original must not leave its queue.
pub(super) async fn copy(context: Arc<Context>, tag: u64, delivery: Delivery, settlement: Settlement) -> u64 {
    let copy = Arc::new(publication(&context, delivery, &settlement));
    let mut backoff = Backoff::starting_at(FIRST_PAUSE);
    while let Err(error) = context.link.copies.publish_shared(Arc::clone(&copy)).await {
        tracing::warn!(%error, queue = copy.routing_key, "the copy of a message is not in its queue yet; trying again");
        if matches!(error, PublishError::Disconnected(_)) {
            context.link.notice(error.to_string());
        }
        tokio::time::sleep(backoff.next()).await;
        if matches!(error, PublishError::Unroutable { .. } | PublishError::Refused(_))
            && let Err(error) = context.link.declare(&context.plan).await
        {
            tracing::warn!(%error, "the queue for copies can't be declared");
        }
    }
    tag
}

fn publication(context: &Context, delivery: Delivery, settlement: &Settlement) -> Publication {
    let Delivery { queue, routing_key: key, properties, body, .. } = delivery;
    let max_bytes = context.link.max_header_bytes();
    if let Settlement::Retry { attempt, error } = settlement
        && let Some(waits_in) = retry_queue(*attempt, context.retries)
    {
        let properties = retry_properties(&properties, &key, *attempt, error, max_bytes);
        return Publication { exchange: DEFAULT_EXCHANGE.to_owned(), routing_key: waits_in, properties, body };
    }
    let error = match settlement {
        Settlement::Retry { error, .. } | Settlement::DeadLetter { error } => error.as_str(),
        Settlement::Ack | Settlement::Release => "",
    };
    let exchange = match queue {
        Queue::Tasks => DEAD_TASK_EXCHANGE,
        Queue::EventStore => DEAD_EVENT_EXCHANGE,
    };
    Publication {
        exchange: exchange.to_owned(),
        routing_key: queue.dead_name().to_owned(),
        properties: dead_properties(&properties, &key, error, max_bytes),
        body,
    }
}

/// Where a task waits for `attempt`: in the queue of the attempt before, or in the last one there is.
fn retry_queue(attempt: Attempt, retries: u32) -> Option<String> {
    let last = Attempt::new(retries.checked_sub(1)?);
    Some(tasks_retry_queue(attempt.previous().unwrap_or(Attempt::FIRST).min(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_beyond_the_last_queue_wait_in_it() {
        let queue = |attempt, retries| retry_queue(Attempt::new(attempt), retries);
        assert_eq!(queue(1, 3).as_deref(), Some("attempt.0.tasks"));
        assert_eq!(queue(3, 3).as_deref(), Some("attempt.2.tasks"));
        assert_eq!(queue(9, 3).as_deref(), Some("attempt.2.tasks"));
        assert_eq!(queue(1, 0), None);
    }
}
