//! The queues in memory: what is ready, what is delivered, what waits for a retry, what is dead.
//!
//! Plain data without waiting; times are compared when somebody looks.

use std::collections::{BTreeMap, VecDeque};

use event_driven::{
    message::{dead_properties, retry_properties},
    names::Attempt,
};
use lapin::BasicProperties;
use tokio::time::Instant;

use super::{
    super::{InProcessLimits, PublishError, Queue, Settlement},
    DeadLetter, Message,
};
use crate::class::share;

pub(super) const QUEUES: [Queue; 4] = [Queue::HighTasks, Queue::Tasks, Queue::LowTasks, Queue::EventStore];

/// All queues.
#[derive(Debug)]
pub(super) struct Queues {
    limits: InProcessLimits,
    high: Store,
    tasks: Store,
    low: Store,
    events: Store,
    /// The number of the next delivery, retry or dead letter.
    next: u64,
}

/// One queue, with what belongs to it.
#[derive(Debug, Default)]
struct Store {
    ready: VecDeque<Message>,
    /// Delivered and not settled, by number.
    unsettled: BTreeMap<u64, Message>,
    /// Retries by the time at which they come back; the number keeps those of one time apart.
    waiting: BTreeMap<(Instant, u64), Message>,
    dead: VecDeque<DeadLetter>,
}

impl Store {
    fn len(&self) -> usize {
        self.ready.len() + self.unsettled.len() + self.waiting.len()
    }
}

impl Queues {
    pub(super) fn new(limits: InProcessLimits) -> Self {
        let [high, tasks, low, events] = Default::default();
        Self { limits, high, tasks, low, events, next: 1 }
    }

    /// Whether one of the queues of tasks has half of what it may have.
    pub(super) fn is_half_full(&self) -> bool {
        [&self.high, &self.tasks, &self.low].iter().any(|store| store.len() * 2 >= self.limits.queue)
    }

    pub(super) fn publish(&mut self, queue: Queue, message: Message) -> Result<(), PublishError> {
        let limit = self.limits.queue;
        let store = self.store(queue);
        if store.len() >= limit {
            return Err(PublishError::Nacked { exchange: String::new(), routing_key: message.routing_key });
        }
        store.ready.push_back(message);
        Ok(())
    }

    /// The next message and the number of its delivery, if the prefetch has room.
    pub(super) fn deliver(&mut self, queue: Queue) -> Option<(u64, Message)> {
        let (number, prefetch) = (self.next, self.prefetch(queue));
        let store = self.store(queue);
        if store.unsettled.len() >= prefetch {
            return None;
        }
        let now = Instant::now();
        while let Some(entry) = store.waiting.first_entry().filter(|entry| entry.key().0 <= now) {
            let message = entry.remove();
            store.ready.push_back(message);
        }
        let message = self.pop_fresh(queue)?;
        self.store(queue).unsettled.insert(number, message.clone());
        self.next += 1;
        Some((number, message))
    }

    /// When the first retry comes back. `None` while the prefetch has no room for it: then a settlement comes first.
    pub(super) fn next_retry(&self, queue: Queue) -> Option<Instant> {
        let store = self.peek(queue);
        if store.unsettled.len() >= self.prefetch(queue) {
            return None;
        }
        store.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn settle(&mut self, queue: Queue, number: u64, settlement: &Settlement) {
        let Some(message) = self.store(queue).unsettled.remove(&number) else { return };
        match settlement {
            Settlement::Ack => {}
            Settlement::Retry { attempt, error } if queue != Queue::EventStore && self.limits.retries > 0 => {
                self.retry(queue, message, *attempt, error);
            }
            Settlement::Retry { .. } if queue == Queue::EventStore => self.release(queue, message),
            Settlement::Retry { error, .. } | Settlement::DeadLetter { error } => {
                self.dead_letter(queue, message, error);
            }
            Settlement::Release => self.release(queue, message),
        }
    }

    /// Most that may be unsettled of this queue.
    fn prefetch(&self, queue: Queue) -> usize {
        let most = u64::from(self.limits.prefetch.get());
        let has_backlog = |class| !self.peek(Queue::of_tasks(class)).ready.is_empty();
        let prefetch = queue.class().map_or(most, |class| share(class, most, has_backlog));
        usize::try_from(prefetch).unwrap_or(usize::MAX)
    }

    pub(super) fn is_delivered(&self, queue: Queue, number: u64) -> bool {
        self.peek(queue).unsettled.contains_key(&number)
    }

    pub(super) fn is_settled(&self) -> bool {
        QUEUES.iter().all(|queue| self.peek(*queue).unsettled.is_empty())
    }

    /// All that is unsettled is ready again, in its old order.
    pub(super) fn give_back(&mut self) {
        for queue in QUEUES {
            while let Some((_, message)) = self.store(queue).unsettled.pop_last() {
                self.release(queue, message);
            }
        }
    }

    pub(super) fn depth(&self, queue: Queue) -> u64 {
        u64::try_from(self.peek(queue).ready.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn dead_count(&self, queue: Queue) -> u64 {
        u64::try_from(self.peek(queue).dead.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn dead_letters(&self, queue: Queue) -> Vec<DeadLetter> {
        self.peek(queue).dead.iter().cloned().collect()
    }

    /// Publishes a dead letter again, with these properties; false if it is gone.
    pub(super) fn revive(
        &mut self,
        queue: Queue,
        number: u64,
        properties: BasicProperties,
    ) -> Result<bool, PublishError> {
        let Some(at) = self.place_of(queue, number) else { return Ok(false) };
        let Some(dead) = self.peek(queue).dead.get(at).cloned() else { return Ok(false) };
        self.publish(queue, Message::new(dead.routing_key, properties, dead.body))?;
        Ok(self.store(queue).dead.remove(at).is_some())
    }

    /// Throws a dead letter away; false if it is gone.
    pub(super) fn discard(&mut self, queue: Queue, number: u64) -> bool {
        let at = self.place_of(queue, number);
        at.and_then(|at| self.store(queue).dead.remove(at)).is_some()
    }

    /// Dead letters stand in the order of their numbers.
    fn place_of(&self, queue: Queue, number: u64) -> Option<usize> {
        self.peek(queue).dead.binary_search_by_key(&number, |dead| dead.number).ok()
    }

    /// The first message that has not expired; those before it are dead.
    fn pop_fresh(&mut self, queue: Queue) -> Option<Message> {
        loop {
            let message = self.store(queue).ready.pop_front()?;
            if !message.is_expired() {
                return Some(message);
            }
            self.dead_letter(queue, message, "expired: the message was not delivered in time");
        }
    }

    fn retry(&mut self, queue: Queue, message: Message, attempt: Attempt, error: &str) {
        let last = Attempt::new(self.limits.retries.saturating_sub(1));
        let failed = attempt.previous().unwrap_or(Attempt::FIRST).min(last);
        let delay = failed.delay(self.limits.retry_delay).min(event_driven::topology::MAX_RETRY_DELAY);
        let properties = retry_properties(&message.properties, &message.routing_key, attempt, error, usize::MAX);
        let copy = Message::new(message.routing_key, properties, message.body);
        let number = self.next;
        self.next += 1;
        self.store(queue).waiting.insert((Instant::now() + delay, number), copy);
    }

    fn release(&mut self, queue: Queue, mut message: Message) {
        message.redelivered = true;
        self.store(queue).ready.push_front(message);
    }

    fn dead_letter(&mut self, queue: Queue, mut message: Message, error: &str) {
        message.properties = dead_properties(&message.properties, &message.routing_key, error, usize::MAX);
        let (limit, number) = (self.limits.dead_letters, self.next);
        self.next += 1;
        // Those of all classes are in one queue.
        let queue = if queue == Queue::EventStore { queue } else { Queue::Tasks };
        let dead = &mut self.store(queue).dead;
        dead.push_back(DeadLetter::new(number, message));
        while dead.len() > limit {
            dead.pop_front();
        }
    }

    fn store(&mut self, queue: Queue) -> &mut Store {
        match queue {
            Queue::HighTasks => &mut self.high,
            Queue::Tasks => &mut self.tasks,
            Queue::LowTasks => &mut self.low,
            Queue::EventStore => &mut self.events,
        }
    }

    fn peek(&self, queue: Queue) -> &Store {
        match queue {
            Queue::HighTasks => &self.high,
            Queue::Tasks => &self.tasks,
            Queue::LowTasks => &self.low,
            Queue::EventStore => &self.events,
        }
    }
}
