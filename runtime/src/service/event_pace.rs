//! How many events this runtime should hold. An event is not executed: what is held waits for a commit and for its ack, so that as many
//! as keep RabbitMQ, this process and the database busy at once are not too many for anybody else, as long as they are small.

use event_driven::client::Prefetch;

use crate::broker::{Delivery, MOST_EVENTS};

/// The mean is that of the last bodies, about so many.
const SPAN: f64 = 256.0;

/// The prefetch that fits to the bodies of the events.
#[derive(Debug)]
pub(super) struct EventPace {
    /// None in memory, where it can't be changed.
    prefetch: Option<Prefetch>,
    most: u16,
    /// Bytes that the bodies of what is held may have.
    memory: f64,
    mean_body: f64,
}

impl EventPace {
    /// Begins with `broker.prefetch`, as if the bodies were so large that no more may be held.
    pub(super) fn new(prefetch: Option<Prefetch>, usual: u16, memory: u64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "it is bytes of memory")]
        let memory = memory as f64;
        let usual = usual.max(1);
        Self { prefetch, most: usual.saturating_mul(MOST_EVENTS.get()), memory, mean_body: memory / f64::from(usual) }
    }

    /// These came: the prefetch follows. Not for a little, since each change costs RabbitMQ a consumer.
    pub(super) fn came(&mut self, deliveries: &[Delivery]) {
        let Some(prefetch) = self.prefetch.clone() else { return };
        for delivery in deliveries {
            self.saw(delivery.body.len());
        }
        let (now, affordable) = (prefetch.get(), self.affordable());
        let is_more = affordable > now && (affordable == self.most || affordable / 2 >= now);
        if is_more || affordable < now - now / 8 {
            tracing::debug!(before = now, now = affordable, "the prefetch of events follows their bodies");
            prefetch.set(affordable);
        }
    }

    fn saw(&mut self, body: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a body is no larger than memory")]
        let body = body as f64;
        self.mean_body += (body - self.mean_body) / SPAN;
    }

    fn affordable(&self) -> u16 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it saturates, and is no less than 0"
        )]
        let affordable = (self.memory / self.mean_body.max(1.0)) as u16;
        affordable.clamp(1, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: u64 = 256 << 20;

    fn after(bodies: impl IntoIterator<Item = usize>) -> u16 {
        let mut pace = EventPace::new(None, 2_000, MEMORY);
        bodies.into_iter().for_each(|body| pace.saw(body));
        pace.affordable()
    }

    #[test]
    fn it_begins_with_the_usual_and_holds_more_of_what_is_small() {
        assert_eq!(after([]), 2_000);
        assert_eq!(after([1_000; 300]), 6_000);
    }

    #[test]
    fn what_is_large_is_held_within_the_memory() {
        let held = after([2 << 20; 2_000]);
        assert!((120..=130).contains(&held), "{held} of 2 MiB in 256");
        assert_eq!(after([usize::MAX; 10]), 1);
        assert_eq!(after(std::iter::repeat_n(2 << 20, 2_000).chain([1_000; 3_000])), 6_000, "it recovers");
    }
}
