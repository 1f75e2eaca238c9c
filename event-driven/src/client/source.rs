//! A queue to consume, and where the copies of its messages go.

use std::num::NonZeroU16;

use crate::names::{
    Attempt, DEAD_EVENT_EXCHANGE, DEAD_EVENT_STORE_QUEUE, DEAD_TASK_EXCHANGE, DEAD_TASKS_QUEUE, EVENT_STORE_QUEUE,
    Priority, Subscription, TaskRoute,
};

/// A queue to consume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The queue.
    pub queue: String,
    /// Where a message waits for its retry, by the attempt that failed; what failed later waits in the last. Empty: there
    /// are no retries, and what is to be tried again is dead.
    pub retry_queues: Vec<String>,
    /// The exchange that takes dead letters.
    pub dead_exchange: String,
    /// The key that leads to the dead-letter queue.
    pub dead_key: String,
    /// Most deliveries that are unsettled at once, over all channels; [`Deliveries::prefetch`](super::Deliveries::prefetch)
    /// can ask for less at any time.
    pub prefetch: NonZeroU16,
    /// Channels that consume and share the prefetch; not more than the prefetch. A slow handler can hold back acks of
    /// its own channel only.
    pub channels: NonZeroU16,
}

impl Source {
    /// The queue of all tasks of this class without a route.
    pub fn tasks(of: Priority, retries: u32, prefetch: NonZeroU16, channels: NonZeroU16) -> Self {
        let (exchange, key) = (DEAD_TASK_EXCHANGE, DEAD_TASKS_QUEUE.to_owned());
        let retry = |attempt| of.retry_queue(attempt);
        Self::new(of.queue().to_owned(), retries, retry, exchange, key, prefetch, channels)
    }

    /// The queue of all events. Nothing in it is tried again.
    pub fn event_store(prefetch: NonZeroU16) -> Self {
        let (exchange, key) = (DEAD_EVENT_EXCHANGE, DEAD_EVENT_STORE_QUEUE.to_owned());
        let channels = NonZeroU16::MIN;
        Self::new(EVENT_STORE_QUEUE.to_owned(), 0, |_| String::new(), exchange, key, prefetch, channels)
    }

    /// A subscriber's queue.
    pub fn subscription(of: &Subscription, retries: u32, prefetch: NonZeroU16) -> Self {
        let (exchange, key) = (DEAD_EVENT_EXCHANGE, of.dead_routing_key());
        let retry = |attempt| of.retry_queue(attempt);
        Self::new(of.queue(), retries, retry, exchange, key, prefetch, NonZeroU16::MIN)
    }

    /// A route's queue.
    pub fn route(of: &TaskRoute, retries: u32, prefetch: NonZeroU16) -> Self {
        let (exchange, key) = (DEAD_TASK_EXCHANGE, of.dead_routing_key());
        let retry = |attempt| of.retry_queue(attempt);
        Self::new(of.queue(), retries, retry, exchange, key, prefetch, NonZeroU16::MIN)
    }

    fn new(
        queue: String,
        retries: u32,
        retry_queue: impl Fn(Attempt) -> String,
        dead_exchange: &str,
        dead_key: String,
        prefetch: NonZeroU16,
        channels: NonZeroU16,
    ) -> Self {
        let retry_queues = (0..retries).map(|n| retry_queue(Attempt::new(n))).collect();
        Self { queue, retry_queues, dead_exchange: dead_exchange.to_owned(), dead_key, prefetch, channels }
    }

    /// How many retries may follow the first attempt.
    pub fn retries(&self) -> u32 {
        u32::try_from(self.retry_queues.len()).unwrap_or(u32::MAX)
    }

    /// Where a message waits for `attempt`: in the queue of the attempt before, or in the last one there is.
    pub(super) fn waits_in(&self, attempt: Attempt) -> Option<&str> {
        let failed = attempt.previous().unwrap_or(Attempt::FIRST).number();
        let queue = self.retry_queues.get(usize::try_from(failed).unwrap_or(usize::MAX));
        queue.or(self.retry_queues.last()).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_beyond_the_last_queue_wait_in_it() {
        let waits_in = |attempt, retries| {
            let source = Source::tasks(Priority::Normal, retries, NonZeroU16::MIN, NonZeroU16::MIN);
            source.waits_in(Attempt::new(attempt)).map(str::to_owned)
        };
        assert_eq!(waits_in(1, 3).as_deref(), Some("attempt.0.tasks"));
        assert_eq!(waits_in(3, 3).as_deref(), Some("attempt.2.tasks"));
        assert_eq!(waits_in(9, 3).as_deref(), Some("attempt.2.tasks"));
        assert_eq!(waits_in(1, 0), None);
    }
}
