//! How many events this runtime should hold. An event is not executed: what is held waits for a commit and for its ack, so that as many
//! as keep RabbitMQ, this process and the database busy at once are not too many for anybody else, as long as they are small.

use std::time::Duration;

use event_driven::client::Prefetch;
use tokio::time::Instant;

use crate::broker::{Delivery, MOST_EVENTS};

/// The mean is that of the last bodies, about so many.
const SPAN: f64 = 256.0;

/// An event is held as it came, and as a row.
const TIMES_HELD: f64 = 2.0;

/// It changes by this factor, or to the most: each change costs RabbitMQ a consumer.
const GROWTH: u64 = 4;

/// It changes no sooner after the last time, unless far too much may be held.
const PAUSE: Duration = Duration::from_secs(1);

/// The prefetch that fits to the bodies of the events.
#[derive(Debug)]
pub(super) struct EventPace {
    /// None in memory, where it can't be changed.
    prefetch: Option<Prefetch>,
    most: u16,
    /// Bytes that what is held may have.
    memory: f64,
    mean_body: f64,
    changed: Option<Instant>,
}

impl EventPace {
    /// Begins with `broker.prefetch`, as if the bodies were so large that no more may be held.
    pub(super) fn new(prefetch: Option<Prefetch>, usual: u16, memory: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "it is bytes of memory")]
        let memory = memory as f64;
        let usual = usual.max(1);
        let mean_body = memory / f64::from(usual) / TIMES_HELD;
        Self { prefetch, most: usual.saturating_mul(MOST_EVENTS.get()), memory, mean_body, changed: None }
    }

    /// These came: the prefetch follows.
    pub(super) fn came(&mut self, deliveries: &[Delivery]) {
        for delivery in deliveries {
            self.saw(delivery.body.len());
        }
        let Some(prefetch) = &self.prefetch else { return };
        let before = prefetch.get();
        let Some(now) = self.next(before) else { return };
        let is_urgent = now < before / 2;
        if is_urgent || self.changed.is_none_or(|changed| changed.elapsed() >= PAUSE) {
            tracing::debug!(before, now, "the prefetch of events follows their bodies");
            prefetch.set(now);
            self.changed = Some(Instant::now());
        }
    }

    fn saw(&mut self, body: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a body is no larger than memory")]
        let body = body as f64;
        self.mean_body += (body - self.mean_body) / SPAN;
    }

    /// What it should become, if that is worth it; with an eighth to spare both ways, so that it does not waver.
    fn next(&self, now: u16) -> Option<u16> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it saturates, and is no less than 0"
        )]
        let affordable = (self.memory / (self.mean_body * TIMES_HELD).max(1.0)) as u64;
        let (before, most) = (u64::from(now), u64::from(self.most));
        let is_more = before < most && (affordable >= most + most / 8 || affordable >= before * GROWTH);
        let is_less = affordable < before - before / 8;
        (is_more || is_less)
            .then(|| u16::try_from(affordable.clamp(1, most)).unwrap_or(self.most))
            .filter(|to| *to != now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: u64 = 256 << 20;

    /// The prefetches, from 2,000 on.
    fn over(bodies: impl IntoIterator<Item = usize>) -> Vec<u16> {
        let (mut pace, mut now, mut all) = (EventPace::new(None, 2_000, MEMORY), 2_000, Vec::new());
        for body in bodies {
            pace.saw(body);
            if let Some(next) = pace.next(now) {
                now = next;
                all.push(now);
            }
        }
        all
    }

    #[test]
    fn more_is_held_of_what_is_small() {
        assert_eq!(over([67_000; 1_000]), [0_u16; 0], "that is what it begins with");
        assert_eq!(over([1_000; 1_000]), [6_000]);
    }

    #[test]
    fn what_is_large_is_held_within_the_memory() {
        let held = over([1 << 20; 2_000]);
        assert!((128..=146).contains(held.last().unwrap()), "{held:?} of twice 1 MiB in 256");
        assert_eq!(over([usize::MAX; 10]).last(), Some(&1));
        let recovered = over(std::iter::repeat_n(1 << 20, 2_000).chain([1_000; 3_000]));
        assert_eq!(recovered.last(), Some(&6_000));
    }

    #[test]
    fn a_mean_that_wavers_changes_it_seldom() {
        // The mean is some 19 and 25 KB in turn, around what may be held of the most.
        let wavering = (0..20_000).map(|n| if n / 256 % 2 == 0 { 16_000 } else { 28_000 });
        assert!(over(wavering).len() <= 3);
    }
}
