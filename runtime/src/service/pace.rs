//! How many tasks this runtime should hold: what it executes, and what it can start within about a second.
//!
//! What waits here is withheld from other runtimes, and RabbitMQ takes it back in the end (`consumer_timeout`); what is not
//! here yet costs a round trip. [`Pace`] is pure: it is told what was seen at each tick and says the prefetch. A runtime
//! whose tasks are short soon has the whole of `broker.prefetch`; one whose tasks take minutes has little more than it
//! executes. The bodies that it holds stay within `broker.memory`, as far as their mean tells.

use std::{
    collections::VecDeque,
    num::NonZeroU16,
    sync::{Arc, Weak},
    time::Duration,
};

use event_driven::{client::Prefetch, names::Priority};

use super::{Service, load::Seen, shares::Shares};
use crate::broker::Queue;

/// How often it is looked at.
const TICK: Duration = Duration::from_millis(100);

/// So many ticks are remembered, for the rate. Long enough that tasks which began together and end together are not taken
/// for many short ones.
const SPAN: usize = 50;

/// Ticks in a second.
const TICKS_PER_SECOND: usize = 10;

/// The prefetch at the start, where more than that may be executed at once: bodies of any size may come.
const START: u64 = 64;

/// How fast it grows: by this factor a tick.
const GROWTH: u64 = 4;

/// So many ticks in a row it has to be too much before it becomes less.
const LOWER_AFTER: u32 = 20;

/// The prefetch that fits to what is done.
#[derive(Debug)]
pub(super) struct Pace {
    /// Tasks that may be executed at once.
    slots: u64,
    /// Never more than that.
    most: u64,
    /// Bytes that the bodies of what is held may have.
    memory: u64,
    now: u64,
    /// What ended in each of the last ticks.
    recent: VecDeque<u64>,
    ended: u64,
    mean_body: u64,
    /// For so many ticks it was too much.
    too_much_for: u32,
    /// The most that was wanted in that time.
    wanted_then: u64,
}

impl Pace {
    pub(super) fn new(slots: u32, most: u16, memory: u64) -> Self {
        let (slots, most) = (u64::from(slots), u64::from(most));
        let now = (slots + reserve(slots)).min(START).min(most);
        let recent = VecDeque::from(vec![0; SPAN]);
        Self { slots, most, memory, now, recent, ended: 0, mean_body: 0, too_much_for: 0, wanted_then: 0 }
    }

    /// The prefetch.
    pub(super) fn now(&self) -> u16 {
        u16::try_from(self.now).unwrap_or(u16::MAX)
    }

    /// One tick is over: what is the prefetch now?
    pub(super) fn tick(&mut self, seen: Seen) -> u16 {
        let ended = seen.ended.sum().saturating_sub(self.ended);
        self.ended = seen.ended.sum();
        self.recent.pop_front();
        self.recent.push_back(ended);
        if let Some(mean) = seen.bytes.checked_div(seen.held()) {
            self.mean_body = mean;
        }
        let affordable = self.memory.checked_div(self.mean_body).unwrap_or(u64::MAX).clamp(1, self.most);
        let wanted = (self.wanted() + seen.parked).min(affordable);
        let used_up = seen.held() >= self.now - self.now / 4 || ended >= self.now;
        if affordable < self.now - self.now / 8 {
            self.becomes(affordable);
        } else if wanted >= self.now - self.now / 4 {
            self.too_much_for = 0;
            // Not for a little, unless places could stay empty: each change costs RabbitMQ a consumer.
            let little = wanted <= self.now + self.now / 8 && wanted != self.most;
            let least = self.slots + reserve(self.slots);
            if used_up && wanted > self.now && !(little && (self.now >= least || wanted < least)) {
                self.becomes(wanted.min(self.now * GROWTH));
            }
        } else {
            self.wanted_then = if self.too_much_for == 0 { wanted } else { self.wanted_then.max(wanted) };
            self.too_much_for += 1;
            if self.too_much_for >= LOWER_AFTER {
                self.becomes(self.wanted_then);
            }
        }
        self.now()
    }

    /// What is executed, and what can be started within a second.
    fn wanted(&self) -> u64 {
        let per_second = self.recent.iter().sum::<u64>() / (SPAN / TICKS_PER_SECOND) as u64;
        self.slots + per_second.max(reserve(self.slots))
    }

    fn becomes(&mut self, prefetch: u64) {
        self.now = prefetch.clamp(1, self.most);
        self.too_much_for = 0;
    }
}

/// What waits for a slot at least, so that none stays empty for a round trip.
fn reserve(slots: u64) -> u64 {
    (slots / 16).max(1)
}

impl Service {
    /// Begins to take tasks of all classes, until they are no longer consumed, and to hold as many of each as the pace says.
    pub(super) fn consume_tasks(self: &Arc<Self>) {
        let (first, mut prefetches) = (Shares::new(self.pace().now).now(), Vec::new());
        for class in Priority::ALL {
            let tasks = self.parts.broker.consume_from(Queue::of_tasks(class), prefetch(*first.get(class)));
            prefetches.extend(tasks.prefetch().map(|prefetch| (class, prefetch)));
            self.deliveries.spawn(self.clone().consume(tasks, Self::begin_tasks));
        }
        if !prefetches.is_empty() {
            self.background.spawn(Self::keep_pace(Arc::downgrade(self), prefetches));
        }
    }

    fn pace(&self) -> Pace {
        let config = &self.parts.config;
        Pace::new(config.sandbox.concurrency, config.broker.prefetch, config.broker.memory.as_u64())
    }

    /// Sets the prefetches at each tick, until a stop.
    async fn keep_pace(service: Weak<Self>, prefetches: Vec<(Priority, Prefetch)>) {
        let Some(mut pace) = service.upgrade().map(|service| service.pace()) else { return };
        let mut shares = Shares::new(pace.now);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while let Some(service) = service.upgrade().filter(|service| !service.is_stopping()) {
            let seen = service.load.seen();
            drop(service);
            let now = shares.tick(pace.tick(seen).into(), seen);
            for (class, prefetch_of) in &prefetches {
                let (before, now) = (prefetch_of.get(), prefetch(*now.get(*class)).get());
                if before != now {
                    tracing::debug!(before, now, %class, "the prefetch follows the work");
                    prefetch_of.set(now);
                }
            }
            ticks.tick().await;
        }
    }
}

/// Within what AMQP allows.
fn prefetch(of: u64) -> NonZeroU16 {
    NonZeroU16::new(u16::try_from(of).unwrap_or(u16::MAX)).unwrap_or(NonZeroU16::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::PerClass;

    const MEMORY: u64 = 256 << 20;

    fn normal(held: u64) -> PerClass<u64> {
        PerClass { normal: held, ..PerClass::default() }
    }

    /// A runtime with a queue that never empties: all that it may hold, it holds; so many end in each tick.
    struct Busy {
        pace: Pace,
        body: u64,
        ended: u64,
    }

    impl Busy {
        fn new(slots: u32) -> Self {
            Self { pace: Pace::new(slots, 1000, MEMORY), body: 80, ended: 0 }
        }

        fn ticks(&mut self, count: u32, ended_in_each: impl Fn(u64) -> u64) -> u16 {
            for _ in 0..count {
                let held = u64::from(self.pace.now());
                self.ended += ended_in_each(held);
                self.pace.tick(Seen {
                    held: normal(held),
                    bytes: held * self.body,
                    ended: normal(self.ended),
                    parked: 0,
                });
            }
            self.pace.now()
        }
    }

    #[test]
    fn tasks_of_a_minute_get_little_more_than_is_executed() {
        let mut busy = Busy::new(256);
        assert_eq!(busy.pace.now(), 64);
        assert_eq!(busy.ticks(2, |_| 0), 272);
        // They began together: they end together, too.
        busy.ticks(1, |_| 256);
        assert!(busy.ticks(600, |_| 0) <= 307, "{}", busy.pace.now());
        assert_eq!(Busy::new(4).pace.now(), 5);
        assert_eq!(Busy::new(4).ticks(600, |_| 0), 5);
    }

    #[test]
    fn short_tasks_have_the_whole_within_half_a_second() {
        for slots in [4, 256] {
            // Each place is used ten times a tick.
            assert_eq!(Busy::new(slots).ticks(5, |held| held * 10), 1000, "{slots}");
        }
    }

    #[test]
    fn when_tasks_become_long_it_becomes_less_within_seconds() {
        let mut busy = Busy::new(256);
        busy.ticks(20, |_| 2500);
        assert_eq!(busy.ticks(10, |_| 0), 1000, "not at once");
        assert_eq!(busy.ticks(70, |_| 0), 272);
    }

    #[test]
    fn a_rate_that_wavers_changes_nothing() {
        let mut busy = Busy::new(256);
        busy.ticks(100, |_| 30);
        let (before, mut changes) = (busy.pace.now(), 0);
        for n in 0..600_u64 {
            let last = busy.pace.now();
            changes += u32::from(busy.ticks(1, |_| 24 + n * 7 % 13) != last);
        }
        assert_eq!((busy.pace.now(), changes), (before, 0));
    }

    #[test]
    fn large_bodies_stay_within_the_memory() {
        let mut busy = Busy::new(256);
        busy.body = 8 << 20;
        assert_eq!(busy.ticks(1, |_| 64), 32);
        assert_eq!(busy.ticks(50, |_| 64), 32);
        busy.body = 1 << 40;
        assert_eq!(busy.ticks(1, |_| 64), 1);
        busy.body = 80;
        assert_eq!(busy.ticks(10, |_| 2500), 1000);
    }

    #[test]
    fn what_waits_for_another_runtime_takes_no_place() {
        let mut pace = Pace::new(4, 1000, MEMORY);
        let least = u64::from(pace.now());
        for ended in [1, 1, 1] {
            pace.tick(Seen { held: normal(pace.now().into()), bytes: 80, ended: normal(ended), parked: 50 });
        }
        assert!(u64::from(pace.now()) >= least + 50, "{}", pace.now());
    }

    #[test]
    fn what_is_not_used_up_does_not_grow() {
        let mut pace = Pace::new(256, 1000, MEMORY);
        for n in 0..100 {
            pace.tick(Seen { held: normal(3), bytes: 240, ended: normal(n * 20), parked: 0 });
        }
        assert_eq!(pace.now(), 64);
    }
}
