//! How many of each class of tasks this runtime should hold. Pure: it is told the whole and what is held at each tick.
//!
//! A class that uses up what it may hold has a backlog, and shares the whole with the others that have one. One without a backlog
//! keeps a part, so that what comes next of it is begun at once: no more than it would have if all had a backlog. Only normal, which
//! is what most services use alone, keeps all that it has while no other class has a backlog.

use event_driven::names::Priority;

use super::load::Seen;
use crate::class::{PerClass, share};

/// So many ticks in a row it has to be too much before it becomes less: each change costs RabbitMQ a consumer.
const LOWER_AFTER: u32 = 10;

/// How many of each class may be held.
#[derive(Debug)]
pub(super) struct Shares {
    now: PerClass<u64>,
    /// What had ended by the last tick.
    ended: PerClass<u64>,
    /// For so many ticks each was too much.
    too_much_for: PerClass<u32>,
}

impl Shares {
    /// As it is while nobody has a backlog.
    pub(super) fn new(whole: u64) -> Self {
        let now = PerClass::of(|class| part(class, whole, PerClass::default()));
        Self { now, ended: PerClass::default(), too_much_for: PerClass::default() }
    }

    pub(super) fn now(&self) -> PerClass<u64> {
        self.now
    }

    /// One tick is over: what may each class have now?
    pub(super) fn tick(&mut self, whole: u64, seen: Seen) -> PerClass<u64> {
        let backlog = PerClass::of(|class| {
            let may = *self.now.get(class);
            let ended = seen.ended.get(class).saturating_sub(*self.ended.get(class));
            *seen.held.get(class) >= may - may / 4 || ended >= may
        });
        self.ended = seen.ended;
        let too_much_for = PerClass::of(|class| match part(class, whole, backlog) < *self.now.get(class) {
            true => self.too_much_for.get(class) + 1,
            false => 0,
        });
        self.now = PerClass::of(|class| {
            let (part, now) = (part(class, whole, backlog), *self.now.get(class));
            match part > now {
                // Who does not use what it has needs no more.
                true if *backlog.get(class) => {
                    // What others still hold is not to be had a second time.
                    let others = seen.held.sum() - seen.held.get(class);
                    part.min(whole.saturating_sub(others).max(whole.min(2))).max(now.min(whole))
                }
                false if *too_much_for.get(class) >= LOWER_AFTER => part,
                true | false => now.min(whole),
            }
        });
        self.too_much_for = too_much_for;
        self.now
    }
}

/// What a class should have while these have a backlog.
fn part(class: Priority, whole: u64, backlog: PerClass<bool>) -> u64 {
    let has_backlog = |other: Priority| *backlog.get(other);
    match (class, has_backlog(class)) {
        (_, true) => share(class, whole, has_backlog),
        (Priority::Normal, false) if !backlog.high && !backlog.low => whole,
        (_, false) => share(class, whole, |_| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(high: u64, normal: u64, low: u64) -> PerClass<u64> {
        PerClass { high, normal, low }
    }

    fn seen(held: PerClass<u64>) -> Seen {
        Seen { held, ..Seen::default() }
    }

    /// So many ticks in which each class holds all that it may, if it has a backlog.
    fn ticks(shares: &mut Shares, count: u32, high: bool, normal: bool, low: bool) -> PerClass<u64> {
        for _ in 0..count {
            let now = shares.now();
            let held = held(
                if high { now.high } else { 0 },
                if normal { now.normal } else { 0 },
                if low { now.low } else { 0 },
            );
            shares.tick(1000, seen(held));
        }
        shares.now()
    }

    #[test]
    fn what_is_normal_has_the_whole_while_it_is_alone() {
        let mut shares = Shares::new(1000);
        assert_eq!(shares.now(), held(761, 1000, 47));
        assert_eq!(ticks(&mut shares, 100, false, true, false), held(761, 1000, 47));
        assert_eq!(ticks(&mut shares, 100, false, false, false), held(761, 1000, 47));
        let mut grows = Shares::new(5);
        assert_eq!(ticks(&mut grows, 100, false, true, false), held(3, 1000, 2));
        assert_eq!(ticks(&mut grows, 2 * LOWER_AFTER, true, true, false), held(800, 200, 2));
    }

    #[test]
    fn each_has_its_part_while_all_have_a_backlog() {
        assert_eq!(ticks(&mut Shares::new(1000), LOWER_AFTER, true, true, true), held(761, 190, 47));
    }

    #[test]
    fn low_has_the_whole_at_once_where_nothing_else_is_to_be_done() {
        let mut shares = Shares::new(1000);
        assert_eq!(ticks(&mut shares, 1, false, false, true).low, 1000);
        assert_eq!(ticks(&mut shares, LOWER_AFTER, false, false, true), held(761, 190, 1000));
        // Something else comes: it is begun with at once, and has its part as soon as low has made room.
        assert_eq!(ticks(&mut shares, 1, false, true, true).normal, 190);
        assert_eq!(ticks(&mut shares, 2 * LOWER_AFTER, false, true, true), held(761, 800, 200));
    }

    #[test]
    fn what_is_short_has_a_backlog_however_little_of_it_is_held() {
        let mut shares = Shares::new(1000);
        for n in 1..10 {
            shares.tick(1000, Seen { ended: held(0, 0, 100 * n), held: held(0, 0, 3), ..Seen::default() });
        }
        assert_eq!(shares.now().low, 1000);
    }

    #[test]
    fn a_high_one_now_and_then_changes_nothing() {
        let mut shares = Shares::new(1000);
        for n in 0..1000 {
            shares.tick(1000, seen(held(u64::from(n % 7 == 0), 1000, 0)));
            assert_eq!(shares.now().normal, 1000);
        }
    }

    #[test]
    fn less_of_the_whole_is_less_for_each_at_once_and_never_nothing() {
        let mut shares = Shares::new(1000);
        let now = shares.tick(5, Seen::default());
        assert_eq!(now, held(5, 5, 5));
        assert_eq!(Shares::new(5).now(), held(3, 5, 2));
        assert_eq!(Shares::new(1).now(), held(1, 1, 1));
    }
}
